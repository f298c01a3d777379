//! The shape of storage providers' messages, of actors that this chain has.
//!
//! | Filecoin | here | share |
//! |---|---|---|
//! | a proof over own sectors, nothing else touched | a BLS signature checked by an account of one's own | half |
//! | a pre-commit: one's own miner is written | a transfer of a token of one's own | three tenths |
//! | a prove-commit: the power actor is written | a transfer of a token that everybody holds | two tenths |

use account::{AuthenticateMessageParams, METHOD_AUTHENTICATE_MESSAGE};
use bls_signatures::{PrivateKey, Serialize as _};
use fvm_ipld_encoding::CborStore as _;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::message::Message;
use fvm_shared::state::ActorState;
use multihash_codetable::Code::Blake2b256;

use super::site::Site;
use super::tokens::{token, transfer};
use super::turn::{Source, Turn};
use super::world::{address, code};

/// Out of ten messages, so many check a proof, and so many after them write an actor of their sender's own.
const PROOFS: u64 = 5;
const OWN_WRITES: u64 = 3;

struct Prover {
    key: PrivateKey,
    account: ActorID,
}

pub(crate) struct Storage {
    provers: Vec<Prover>,
    own: Vec<ActorID>,
    shared: ActorID,
    proofs: u64,
}

impl Storage {
    pub fn new(site: &mut Site<'_>, messages: u64) -> anyhow::Result<Self> {
        let code = code("account")?;
        let shared = token(site, 0..2 * messages)?;
        let (mut provers, mut own) = (Vec::new(), Vec::new());
        for index in 0..messages.div_ceil(10) * PROOFS {
            let mut seed = [7; 32];
            seed[..8].copy_from_slice(&index.to_be_bytes());
            let key = PrivateKey::new(seed);
            let address = Address::new_bls(&key.public_key().as_bytes())?;
            let state = site.blocks.put_cbor(&account::State { address }, Blake2b256)?;
            let actor = ActorState::new(code, state, TokenAmount::default(), 0, None);
            provers.push(Prover { key, account: site.place_actor(Some(address), actor) });
        }
        for index in 0..messages {
            if (PROOFS..PROOFS + OWN_WRITES).contains(&(index % 10)) {
                own.push(token(site, [2 * index, 2 * index + 1])?);
            }
        }
        Ok(Self { provers, own, shared, proofs: 0 })
    }
}

impl Source for Storage {
    fn message(&mut self, turn: &mut Turn<'_>) -> Message {
        let (tens, ones) = (turn.index / 10, turn.index % 10);
        if ones < PROOFS {
            // Never the same twice, so that remembering results from message to message does not pay.
            self.proofs += 1;
            let message = self.proofs.to_be_bytes().to_vec();
            let Prover { key, account } = &self.provers[(tens * PROOFS + ones) as usize];
            let params = AuthenticateMessageParams { signature: key.sign(&message).as_bytes(), message };
            return turn.senders.call(address(2 * turn.index), *account, METHOD_AUTHENTICATE_MESSAGE, &params);
        }
        let token = if ones < PROOFS + OWN_WRITES {
            self.own[(tens * OWN_WRITES + ones - PROOFS) as usize]
        } else {
            self.shared
        };
        transfer(turn.senders, token, 2 * turn.index, 2 * turn.index + 1)
    }
}
