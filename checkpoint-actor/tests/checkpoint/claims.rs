//! Balances of a subnet that has ended, proved and paid.

use std::cell::RefCell;
use std::collections::BTreeMap;

use actor_runtime::mock::code;
use actor_runtime::{ActorError, Runtime, decode_params};
use checkpoint_actor::State;
use checkpoint_actor::state::claim_key;
use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::{BytesSer, CborStore};
use fvm_ipld_hamt::{BytesKey, Config, Hamt};
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::state::{ActorState, StateInfo0, StateRoot, StateTreeVersion};
use fvm_shared::{ActorID, HAMT_BIT_WIDTH};
use multihash_codetable::Code::Blake2b256;
use subnet_types::actors::{ClaimBalanceParams, ClaimBalanceReturn, INIT_ID, checkpoint};
use subnet_types::hash::cid_of_bytes;
use subnet_types::parent::WitnessBlock;

use crate::world::{STRANGER, World, atto};

/// Keeps every block that is written.
#[derive(Default)]
struct Blocks(RefCell<BTreeMap<Cid, Vec<u8>>>);

impl Blockstore for Blocks {
    fn get(&self, cid: &Cid) -> anyhow::Result<Option<Vec<u8>>> {
        Ok(self.0.borrow().get(cid).cloned())
    }

    fn put_keyed(&self, cid: &Cid, block: &[u8]) -> anyhow::Result<()> {
        self.0.borrow_mut().insert(*cid, block.to_vec());
        Ok(())
    }
}

impl Blocks {
    fn proof(&self) -> Vec<WitnessBlock> {
        self.0.borrow().values().map(|bytes| WitnessBlock { bytes: bytes.clone() }).collect()
    }
}

fn f1(name: &str) -> Address {
    Address::new_secp256k1(&[name.as_bytes(), &[4; 65]].concat()[..65]).unwrap()
}

fn f410(name: u8) -> Address {
    Address::new_delegated(10, &[name; 20]).unwrap()
}

/// An actor of a chain: address, id, balance, code, state.
struct Entry(Address, ActorID, i64, Cid, Cid);

fn account(address: Address, id: ActorID, balance: i64) -> Entry {
    Entry(address, id, balance, code("account"), cid_of_bytes(b"account"))
}

/// A chain's state of these actors. Returns its root.
fn chain(blocks: &Blocks, entries: &[Entry]) -> Cid {
    let mut addresses = Hamt::<_, ActorID>::new_with_bit_width(blocks, HAMT_BIT_WIDTH);
    let mut actors = Hamt::<_, ActorState>::new_with_bit_width(blocks, HAMT_BIT_WIDTH);
    let mut put = |id: ActorID, code: Cid, state: Cid, balance: TokenAmount| {
        let actor = ActorState { code, state, sequence: 0, balance, delegated_address: None };
        actors.set(BytesKey(Address::new_id(id).to_bytes()), actor).unwrap();
    };
    for Entry(address, id, balance, code, state) in entries {
        addresses.set(BytesKey(address.to_bytes()), *id).unwrap();
        put(*id, *code, *state, TokenAmount::from_atto(*balance));
    }
    let map = addresses.flush().unwrap();
    let init = blocks.put_cbor(&(map, 1_000_u64, "network".to_owned()), Blake2b256).unwrap();
    put(INIT_ID, code("init"), init, atto(0));
    // More than fits one node, so that look-ups go down.
    for id in 5_000..5_100 {
        put(id, code("account"), cid_of_bytes(b"other"), atto(1));
    }
    let actors = actors.flush().unwrap();
    let info = blocks.put_cbor(&StateInfo0::default(), Blake2b256).unwrap();
    blocks.put_cbor(&StateRoot { version: StateTreeVersion::V5, actors, info }, Blake2b256).unwrap()
}

/// A subnet that has ended with a thousand in custody and this state root.
fn ended(root: Cid) -> World {
    let world = World::of_four();
    let mut checkpoint = world.next(&[]);
    checkpoint.state_root = root;
    world.settle(&checkpoint, &[]).unwrap();
    world.end();
    world
}

fn claim_with(
    world: &World,
    path: &[Address],
    address: Address,
    proof: Vec<WitnessBlock>,
) -> Result<TokenAmount, ActorError> {
    let params = ClaimBalanceParams { path: path.to_vec(), address, proof };
    let returned = world.call(STRANGER, 0, checkpoint::CLAIM_BALANCE, &params)?;
    Ok(decode_params::<ClaimBalanceReturn>(returned).unwrap().amount)
}

/// A chain of accounts that hold so much, and the blocks of its state.
pub fn of_accounts(balances: &[u64]) -> (Cid, Vec<WitnessBlock>) {
    let blocks = Blocks::default();
    let entries: Vec<_> = (0..)
        .zip(balances)
        .map(|(index, balance)| account(f410(index), 200 + u64::from(index), *balance as i64))
        .collect();
    (chain(&blocks, &entries), blocks.proof())
}

/// Claims for an account of such a chain.
pub fn claim_account(world: &World, index: u64, proof: &[WitnessBlock]) -> Result<TokenAmount, ActorError> {
    claim_with(world, &[], f410(index as u8), proof.to_vec())
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, ActorError>, code: u32) {
    let error = result.unwrap_err();
    assert_eq!(error.exit_code.value(), code, "{error}");
}

#[test]
fn each_account_is_paid_its_balance_once() {
    let blocks = Blocks::default();
    let root = chain(&blocks, &[account(f1("ann"), 200, 300), account(f410(7), 201, 450), account(f1("nil"), 202, 0)]);
    let world = ended(root);
    assert_eq!(claim_with(&world, &[], f1("ann"), blocks.proof()), Ok(atto(300)));
    assert_eq!((world.holds(&f1("ann")), world.state().custody), (atto(300), atto(700)));
    refused(claim_with(&world, &[], f1("ann"), blocks.proof()), 200);
    refused(claim_with(&world, &[], f1("nil"), blocks.proof()), 201);
    assert_eq!(claim_with(&world, &[], f410(7), blocks.proof()), Ok(atto(450)));
    assert_eq!(world.state().exit.unwrap().claimed_total, atto(750));
}

#[test]
fn two_names_of_one_account_are_paid_once() {
    let blocks = Blocks::default();
    let root = chain(&blocks, &[account(f1("ann"), 200, 300), account(f410(7), 200, 300)]);
    let world = ended(root);
    claim_with(&world, &[], f1("ann"), blocks.proof()).unwrap();
    refused(claim_with(&world, &[], f410(7), blocks.proof()), 200);
}

#[test]
fn no_more_is_paid_than_is_there_whatever_the_state_says() {
    let blocks = Blocks::default();
    let entries = [account(f1("ann"), 200, 900), account(f1("bob"), 201, 900), account(f1("eve"), 202, 900)];
    let world = ended(chain(&blocks, &entries));
    assert_eq!(claim_with(&world, &[], f1("eve"), blocks.proof()), Ok(atto(900)));
    assert_eq!(claim_with(&world, &[], f1("ann"), blocks.proof()), Ok(atto(100)));
    refused(claim_with(&world, &[], f1("bob"), blocks.proof()), 201);
    assert_eq!(world.rt.balance(), world.state().stake_total, "stakes are nobody's balance");
}

#[test]
fn balance_below_zero_pays_nothing() {
    let blocks = Blocks::default();
    let world = ended(chain(&blocks, &[account(f1("ann"), 200, -5)]));
    refused(claim_with(&world, &[], f1("ann"), blocks.proof()), 201);
}

/// A subnet that has ended with a thousand in custody, of which messages of these amounts wait for a refund.
fn ended_with_waiting(root: Cid, waiting: Vec<u64>) -> World {
    let world = World::of_four();
    let mut checkpoint = world.next(&[]);
    checkpoint.state_root = root;
    world.settle(&checkpoint, &[]).unwrap();
    *world.gateway.waiting.borrow_mut() = waiting;
    world.end();
    world
}

#[test]
fn claims_open_with_the_exit_out_of_what_refunds_do_not_need() {
    let blocks = Blocks::default();
    let root = chain(&blocks, &[account(f1("ann"), 200, 500), account(f1("bob"), 201, 300)]);
    let world = World::of_four();
    refused(claim_with(&world, &[], f1("ann"), blocks.proof()), 185);
    let world = ended_with_waiting(root, vec![2; 200]);
    assert_eq!(claim_with(&world, &[], f1("ann"), blocks.proof()), Ok(atto(500)));
    assert_eq!(claim_with(&world, &[], f1("bob"), blocks.proof()), Ok(atto(100)), "four hundred are to be refunded");
    while world.state().exit.unwrap().unrefunded > 0 {
        world.refund(64).unwrap();
    }
    let refunded: TokenAmount = world.gateway.refunded.borrow().iter().sum();
    assert_eq!((refunded, world.state().custody), (atto(400), atto(0)));
}

#[test]
fn what_comes_back_when_custody_is_short_is_for_refunds_first() {
    let blocks = Blocks::default();
    let world = ended_with_waiting(chain(&blocks, &[account(f1("ann"), 200, 900)]), vec![1_000, 200]);
    refused(claim_with(&world, &[], f1("ann"), blocks.proof()), 201);
    world.lock(150);
    refused(claim_with(&world, &[], f1("ann"), blocks.proof()), 201);
    world.lock(100);
    assert_eq!(claim_with(&world, &[], f1("ann"), blocks.proof()), Ok(atto(50)));
    world.refund(2).unwrap();
    assert_eq!((world.gateway.refunded.borrow()[0].clone(), world.state().custody), (atto(1_200), atto(0)));
}

#[test]
fn only_keys_claim_and_no_system_actor() {
    let blocks = Blocks::default();
    let robot = Address::new_actor(b"robot");
    let other = Address::new_delegated(32, &[1; 20]).unwrap();
    let root = chain(&blocks, &[account(robot, 200, 5), account(other, 201, 5), account(f1("burnt"), 99, 5)]);
    let world = ended(root);
    for address in [robot, other, Address::new_id(200)] {
        refused(claim_with(&world, &[], address, blocks.proof()), 197);
    }
    refused(claim_with(&world, &[], f1("burnt"), blocks.proof()), 199);
    refused(claim_with(&world, &[], f1("nobody"), blocks.proof()), 198);
}

#[test]
fn without_a_checkpoint_nothing_is_proved() {
    let blocks = Blocks::default();
    chain(&blocks, &[account(f1("ann"), 200, 5)]);
    let world = World::of_four();
    world.end();
    refused(claim_with(&world, &[], f1("ann"), blocks.proof()), 196);
}

#[test]
fn every_block_on_the_way_is_needed_as_it_is() {
    let blocks = Blocks::default();
    let world = ended(chain(&blocks, &[account(f1("ann"), 200, 5)]));
    let proof = blocks.proof();
    let mut needed = 0;
    for index in 0..proof.len() {
        let mut cut = proof.clone();
        cut.remove(index);
        // What is not on the way is missed by nobody: such a claim would be paid, so it is only asked about.
        let before = world.state();
        if let Err(error) = claim_with(&world, &[], f1("ann"), cut) {
            assert_eq!(error.exit_code.value(), 198, "{error}");
            needed += 1;
            let mut altered = proof.clone();
            *altered[index].bytes.last_mut().unwrap() ^= 1;
            refused(claim_with(&world, &[], f1("ann"), altered), 198);
        } else {
            world.rt.save_state(&before).unwrap();
            world.rt.set_balance(crate::world::ACTOR, &(&before.stake_total + &before.custody));
        }
    }
    assert_eq!(needed, 5, "the state's root, two nodes of the actors, init, and its map");
    refused(claim_with(&world, &[], f1("ann"), vec![WitnessBlock { bytes: vec![0x80] }; 257]), 198);
}

#[test]
fn hostile_states_are_refused() {
    let world_of = |make: &dyn Fn(&Blocks) -> Cid| {
        let blocks = Blocks::default();
        let world = ended(make(&blocks));
        refused(claim_with(&world, &[], f1("ann"), blocks.proof()), 198);
    };
    let with_actors = |blocks: &Blocks, version, actors| {
        let info = blocks.put_cbor(&StateInfo0::default(), Blake2b256).unwrap();
        blocks.put_cbor(&StateRoot { version, actors, info }, Blake2b256).unwrap()
    };
    world_of(&|_| cid_of_bytes(b"nowhere"));
    world_of(&|blocks| blocks.put_cbor(&"no root", Blake2b256).unwrap());
    world_of(&|blocks| {
        let root = chain(blocks, &[account(f1("ann"), 200, 5)]);
        let root: StateRoot = blocks.get_cbor(&root).unwrap().unwrap();
        with_actors(blocks, StateTreeVersion::V4, root.actors)
    });
    // Nodes that say they have pointers which they do not have, too many, or others than there can be.
    let empty: [u8; 0] = [];
    for bitfield in [&[0xff_u8; 4][..], &[0xff; 40], &[]] {
        world_of(&|blocks| {
            let node = blocks.put_cbor(&(BytesSer(bitfield), empty), Blake2b256).unwrap();
            with_actors(blocks, StateTreeVersion::V5, node)
        });
    }
    world_of(&|blocks| {
        let node = blocks.put_cbor(&(BytesSer(&[0xff; 4]), vec![7_u8; 32]), Blake2b256).unwrap();
        with_actors(blocks, StateTreeVersion::V5, node)
    });
    // A chain of nodes as long as one likes, each with a link at every place.
    world_of(&|blocks| {
        let mut node = blocks.put_cbor(&(BytesSer(&[]), empty), Blake2b256).unwrap();
        for _ in 0..60 {
            node = blocks.put_cbor(&(BytesSer(&[0xff; 4]), vec![node; 32]), Blake2b256).unwrap();
        }
        with_actors(blocks, StateTreeVersion::V5, node)
    });
}

/// A checkpoint actor in the state of the chain above, with this state.
fn below(blocks: &Blocks, name: &str, id: ActorID, state: &State) -> Entry {
    let address = Address::new_actor(name.as_bytes());
    let state = State { actor: Some(address), ..state.clone() };
    let state = blocks.put_cbor(&state, Blake2b256).unwrap();
    Entry(address, id, 0, code("checkpoint"), state)
}

/// What a checkpoint actor says of a chain below that has this root and so much in custody.
fn holding(root: Option<Cid>, custody: u64) -> State {
    let mut state = World::of_four().state();
    (state.last_state_root, state.custody) = (root, atto(custody));
    state
}

#[test]
fn accounts_of_grandchildren_are_paid_out_of_what_their_parent_held() {
    let blocks = Blocks::default();
    let deepest = chain(&blocks, &[account(f1("dan"), 200, 80)]);
    let grand = chain(
        &blocks,
        &[
            below(&blocks, "deep", 190, &holding(Some(deepest), 50)),
            account(f1("ann"), 200, 70),
            account(f1("bob"), 201, 70),
        ],
    );
    let entries = [below(&blocks, "grand", 300, &holding(Some(grand), 100)), account(f1("ann"), 200, 1)];
    let world = ended(chain(&blocks, &entries));
    let (grand, deep) = (Address::new_actor(b"grand"), Address::new_actor(b"deep"));
    let claim = |path: &[Address], name| claim_with(&world, path, f1(name), blocks.proof());
    assert_eq!(claim(&[grand], "ann"), Ok(atto(70)));
    refused(claim(&[grand], "ann"), 200);
    assert_eq!(claim(&[], "ann"), Ok(atto(1)), "the same id on another chain is somebody else");
    assert_eq!(claim(&[grand, deep], "dan"), Ok(atto(30)), "thirty are left of the grandchild's hundred");
    refused(claim(&[grand], "bob"), 201);
    assert_eq!(world.state().custody, atto(1_000 - 101));
}

#[test]
fn chains_below_have_their_own_limit_inside_their_parents() {
    let blocks = Blocks::default();
    let deepest = chain(&blocks, &[account(f1("dan"), 200, 80)]);
    let grand =
        chain(&blocks, &[below(&blocks, "deep", 190, &holding(Some(deepest), 50)), account(f1("bob"), 201, 70)]);
    let world = ended(chain(&blocks, &[below(&blocks, "grand", 300, &holding(Some(grand), 100))]));
    let (grand, deep) = (Address::new_actor(b"grand"), Address::new_actor(b"deep"));
    assert_eq!(claim_with(&world, &[grand, deep], f1("dan"), blocks.proof()), Ok(atto(50)));
    assert_eq!(claim_with(&world, &[grand], f1("bob"), blocks.proof()), Ok(atto(50)));
}

#[test]
fn chain_is_claimed_under_its_one_name() {
    let blocks = Blocks::default();
    let grand = chain(&blocks, &[account(f1("ann"), 200, 70)]);
    let Entry(name, id, balance, code, state) = below(&blocks, "grand", 300, &holding(Some(grand), 100));
    let other_name = Address::new_delegated(10, &[3; 20]).unwrap();
    let entries = [Entry(name, id, balance, code, state), Entry(other_name, id, balance, code, state)];
    let world = ended(chain(&blocks, &entries));
    assert_eq!(claim_with(&world, &[name], f1("ann"), blocks.proof()), Ok(atto(70)));
    refused(claim_with(&world, &[other_name], f1("ann"), blocks.proof()), 198);
}

#[test]
fn what_is_no_checkpoint_actor_or_has_no_checkpoint_leads_nowhere() {
    let blocks = Blocks::default();
    let grand = chain(&blocks, &[account(f1("ann"), 200, 70)]);
    let Entry(address, id, balance, _, state) = below(&blocks, "false", 300, &holding(Some(grand), 100));
    let entries = [
        Entry(address, id, balance, actor_runtime::mock::foreign_code(b"user's"), state),
        below(&blocks, "silent", 301, &holding(None, 100)),
    ];
    let world = ended(chain(&blocks, &entries));
    for name in ["false", "silent", "missing"] {
        refused(claim_with(&world, &[Address::new_actor(name.as_bytes())], f1("ann"), blocks.proof()), 198);
    }
    let long = vec![Address::new_actor(b"silent"); 11];
    refused(claim_with(&world, &long, f1("ann"), blocks.proof()), 198);
}

#[test]
fn what_waited_for_a_grandchild_that_ended_before_is_not_its_accounts() {
    let blocks = Blocks::default();
    let grand = chain(&blocks, &[account(f1("ann"), 200, 90)]);
    let mut state = ended_with_waiting(grand, vec![60]).state();
    state.exit.as_mut().unwrap().claims = Hamt::<_, TokenAmount>::new_with_bit_width(&blocks, 5).flush().unwrap();
    state.custody = atto(100);
    let world = ended(chain(&blocks, &[below(&blocks, "grand", 300, &state)]));
    assert_eq!(claim_with(&world, &[Address::new_actor(b"grand")], f1("ann"), blocks.proof()), Ok(atto(40)));
}

#[test]
fn what_a_grandchild_that_ended_before_has_paid_is_not_paid_again() {
    let blocks = Blocks::default();
    let deepest = chain(&blocks, &[account(f1("dan"), 200, 80)]);
    let entries = [
        below(&blocks, "deep", 190, &holding(Some(deepest), 50)),
        account(f1("ann"), 200, 70),
        account(f1("bob"), 201, 9),
    ];
    let grand = chain(&blocks, &entries);
    // It ended: ann was paid, and forty came out of the chain below it.
    let ended_before = ended(grand);
    let mut state = ended_before.state();
    let config = Config { bit_width: 5, ..Config::default() };
    let mut claims = Hamt::<_, TokenAmount>::new_with_config(&blocks, config);
    let deep = Address::new_actor(b"deep");
    claims.set(BytesKey(claim_key(&[], Some(200))), atto(70)).unwrap();
    claims.set(BytesKey(claim_key(&[deep], None)), atto(40)).unwrap();
    state.exit.as_mut().unwrap().claims = claims.flush().unwrap();
    state.custody = atto(500);

    let world = ended(chain(&blocks, &[below(&blocks, "grand", 300, &state)]));
    let grand = Address::new_actor(b"grand");
    refused(claim_with(&world, &[grand], f1("ann"), blocks.proof()), 200);
    assert_eq!(claim_with(&world, &[grand], f1("bob"), blocks.proof()), Ok(atto(9)));
    assert_eq!(claim_with(&world, &[grand, deep], f1("dan"), blocks.proof()), Ok(atto(10)));
}
