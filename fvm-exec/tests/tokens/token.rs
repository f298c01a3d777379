//! The token by itself.

use fvm_ipld_encoding::RawBytes;
use fvm_shared::ActorID;
use fvm_shared::address::Address;
use fvm_shared::econ::TokenAmount;
use fvm_shared::error::ExitCode;
use subnet_types::actors::GATEWAY_ID;
use token_actor::{
    BurnParams, BurnReturn, EVENT_TRANSFER, GetAllowanceParams, IncreaseAllowanceParams, METHOD_ALLOWANCE,
    METHOD_BALANCE, METHOD_BALANCE_OF, METHOD_BURN, METHOD_GRANULARITY, METHOD_INCREASE_ALLOWANCE, METHOD_MINT,
    METHOD_NAME, METHOD_SYMBOL, METHOD_TOTAL_SUPPLY, METHOD_TRANSFER, METHOD_TRANSFER_FROM, MintParams, MintReturn,
    TransferFromParams, TransferFromReturn, TransferParams, TransferReturn,
};

use crate::common::accounts::secp;
use crate::market::{Market, START, alice, atto, bob, carol};

fn to(to: Address, amount: u64) -> TransferParams {
    TransferParams { to, amount: atto(amount), operator_data: RawBytes::default() }
}

fn from_to(from: Address, to: Address, amount: u64) -> TransferFromParams {
    TransferFromParams { from, to, amount: atto(amount), operator_data: RawBytes::default() }
}

/// The balances of Alice, Bob and Carol.
fn balances(market: &Market, token: ActorID) -> [TokenAmount; 3] {
    [alice(), bob(), carol()].map(|owner| market.balance(token, &owner))
}

#[test]
fn transfer_moves_the_amount_and_nothing_else() {
    let mut market = Market::new();
    let token = market.token_a;
    let returned: TransferReturn = market.done(alice(), token, METHOD_TRANSFER, &to(bob(), 7));
    assert_eq!((returned.from_balance, returned.to_balance), (atto(START - 7), atto(START + 7)));
    assert_eq!(balances(&market, token), [atto(START - 7), atto(START + 7), atto(0)]);
    assert_eq!(balances(&market, market.token_b), [atto(START), atto(START), atto(0)]);
    let all = market.done::<TransferReturn>(bob(), token, METHOD_TRANSFER, &to(carol(), START + 7));
    assert_eq!((all.from_balance, all.to_balance), (atto(0), atto(START + 7)));
    assert_eq!(market.token(token).token.supply, atto(2 * START));
}

#[test]
fn transfer_to_oneself_changes_no_balance() {
    let mut market = Market::new();
    let token = market.token_a;
    market.done::<TransferReturn>(alice(), token, METHOD_TRANSFER, &to(alice(), START));
    assert_eq!(balances(&market, token), [atto(START), atto(START), atto(0)]);
    let code = market.refused(alice(), token, METHOD_TRANSFER, &to(alice(), START + 1));
    assert_eq!(code, ExitCode::USR_INSUFFICIENT_FUNDS);
}

#[test]
fn transfer_to_a_new_key_makes_its_account() {
    let mut market = Market::new();
    let (token, new) = (market.token_a, secp(77));
    market.done::<TransferReturn>(alice(), token, METHOD_TRANSFER, &to(new, 5));
    let id = market.chain.view().lookup_id(&new).unwrap().expect("an account");
    assert_eq!(market.chain.view().account_key(id).unwrap(), Some(new));
    assert_eq!(market.balance(token, &new), atto(5));
}

#[test]
fn more_than_the_balance_is_refused() {
    let mut market = Market::new();
    let token = market.token_a;
    for (from, amount) in [(alice(), START + 1), (carol(), 1)] {
        let code = market.refused(from, token, METHOD_TRANSFER, &to(bob(), amount));
        assert_eq!(code, ExitCode::USR_INSUFFICIENT_FUNDS);
    }
    // What was possible turns impossible when the tokens are gone.
    market.done::<TransferReturn>(alice(), token, METHOD_TRANSFER, &to(bob(), START));
    let code = market.refused(alice(), token, METHOD_TRANSFER, &to(bob(), 1));
    assert_eq!(code, ExitCode::USR_INSUFFICIENT_FUNDS);
}

#[test]
fn receivers_that_refuse_get_nothing() {
    let mut market = Market::new();
    let gateway = Address::new_id(GATEWAY_ID);
    let code = market.refused(alice(), market.token_a, METHOD_TRANSFER, &to(gateway, 5));
    assert_eq!(code, ExitCode::USR_UNHANDLED_MESSAGE, "the gateway has no hook");
    let pool = Address::new_id(market.pool);
    let code = market.refused(alice(), market.token_c, METHOD_TRANSFER, &to(pool, 5));
    assert_eq!(code, pool_actor::refusal::FOREIGN_SENDER);
    let code = market.refused(alice(), market.token_a, METHOD_TRANSFER, &to(Address::new_actor(b"nobody"), 5));
    assert_ne!(code, ExitCode::OK);
}

#[test]
fn operator_moves_what_the_owner_allowed_and_no_more() {
    let mut market = Market::new();
    let token = market.token_a;
    let move_ = |amount| from_to(alice(), carol(), amount);
    let refused = market.refused(bob(), token, METHOD_TRANSFER_FROM, &move_(1));
    assert_eq!(refused, ExitCode::USR_FORBIDDEN, "nothing is allowed yet");

    for total in [10, 20] {
        let params = IncreaseAllowanceParams { operator: bob(), increase: atto(10) };
        let after: TokenAmount = market.done(alice(), token, METHOD_INCREASE_ALLOWANCE, &params);
        assert_eq!(after, atto(total));
    }
    let moved: TransferFromReturn = market.done(bob(), token, METHOD_TRANSFER_FROM, &move_(15));
    assert_eq!((moved.from_balance, moved.to_balance, moved.allowance), (atto(START - 15), atto(15), atto(5)));
    assert_eq!(market.refused(bob(), token, METHOD_TRANSFER_FROM, &move_(6)), ExitCode::USR_FORBIDDEN);
    assert_eq!(market.allowance(token, &alice(), &bob()), atto(5));
    let params = GetAllowanceParams { owner: alice(), operator: bob() };
    assert_eq!(market.done::<TokenAmount>(carol(), token, METHOD_ALLOWANCE, &params), atto(5));

    market.done::<TransferFromReturn>(bob(), token, METHOD_TRANSFER_FROM, &move_(5));
    assert_eq!(market.allowance(token, &alice(), &bob()), atto(0));
    assert_eq!(market.refused(bob(), token, METHOD_TRANSFER_FROM, &move_(0)), ExitCode::USR_FORBIDDEN, "used up");
    assert_eq!(balances(&market, token), [atto(START - 20), atto(START), atto(20)]);

    // An allowance is no balance.
    let params = IncreaseAllowanceParams { operator: bob(), increase: atto(START) };
    market.done::<TokenAmount>(alice(), token, METHOD_INCREASE_ALLOWANCE, &params);
    let refused = market.refused(bob(), token, METHOD_TRANSFER_FROM, &move_(START));
    assert_eq!(refused, ExitCode::USR_INSUFFICIENT_FUNDS);
}

#[test]
fn creator_mints_and_holders_burn() {
    let mut market = Market::new();
    let token = market.token_a;
    let params = MintParams { to: carol(), amount: atto(30), operator_data: RawBytes::default() };
    assert_eq!(market.refused(bob(), token, METHOD_MINT, &params), ExitCode::USR_FORBIDDEN);
    let minted: MintReturn = market.done(alice(), token, METHOD_MINT, &params);
    assert_eq!((minted.balance, minted.supply), (atto(30), atto(2 * START + 30)));
    let burned: BurnReturn = market.done(carol(), token, METHOD_BURN, &BurnParams { amount: atto(20) });
    assert_eq!(burned.balance, atto(10));
    let code = market.refused(carol(), token, METHOD_BURN, &BurnParams { amount: atto(11) });
    assert_eq!(code, ExitCode::USR_INSUFFICIENT_FUNDS);
    assert_eq!(market.query::<TokenAmount>(token, METHOD_TOTAL_SUPPLY), atto(2 * START + 10));
}

#[test]
fn views_tell_what_the_token_is() {
    let mut market = Market::new();
    let token = market.token_a;
    assert_eq!(market.query::<String>(token, METHOD_NAME), "Token a");
    assert_eq!(market.query::<String>(token, METHOD_SYMBOL), "A");
    assert_eq!(market.query::<u64>(token, METHOD_GRANULARITY), 1);
    for method in [METHOD_BALANCE, METHOD_BALANCE_OF] {
        assert_eq!(market.done::<TokenAmount>(carol(), token, method, &alice()), atto(START));
    }
}

#[test]
fn transfer_emits_who_gave_what_to_whom() {
    let mut market = Market::new();
    let token = market.token_a;
    let events = market.events(alice(), token, METHOD_TRANSFER, &to(bob(), 7));
    let [event] = &events[..] else { panic!("{events:?}") };
    let id = |address| market.chain.view().lookup_id(&address).unwrap().unwrap();
    let value = |key: &str| {
        let entry = event.event.entries.iter().find(|entry| entry.key == key).expect("the entry");
        RawBytes::new(entry.value.clone())
    };
    assert_eq!(event.emitter, token);
    assert_eq!(value("$type").deserialize::<String>().unwrap(), EVENT_TRANSFER);
    assert_eq!(value("from").deserialize::<ActorID>().unwrap(), id(alice()));
    assert_eq!(value("to").deserialize::<ActorID>().unwrap(), id(bob()));
    assert_eq!(value("amount").deserialize::<TokenAmount>().unwrap(), atto(7));
}

// The library keeps balances in a map of eight entries a node, so the cost follows its depth: measured at 8.0 million
// gas among 2 holders and 33.0 million among 10,002.
#[test]
fn transfer_costs_follow_the_depth_of_the_map_and_not_the_number_of_holders() {
    let gas = |others| {
        let mut market = Market::with_others(others);
        let receipt = market.send(alice(), market.token_a, METHOD_TRANSFER, &to(bob(), 7));
        assert_eq!(receipt.exit_code, ExitCode::OK);
        receipt.gas_used
    };
    let (few, many) = (gas(0), gas(10_000));
    println!("gas of a transfer: {few} among 2 holders, {many} among 10,002");
    assert!(many < 6 * few, "{many} among many, {few} among few");
}
