//! Whether the account that submits checkpoints can pay for it.

use client::keystore;
use fvm_shared::econ::TokenAmount;
use subnet_types::Genesis;

use super::Check;
use super::network::connect;
use crate::cli::genesis::fil;
use crate::cli::parse;
use crate::config::Config;
use crate::home::{Home, KeyName};

const NAME: &str = "funds";
/// Below this somebody should send more: the most that a single submission may cost.
const FUNDS_LOW_FIL: u64 = 1;

/// Asks the parent what the submitter's account holds.
pub(super) async fn check(home: &Home, config: &Config, genesis: &Genesis, checks: &mut Vec<Check>) {
    if genesis.subnet.is_root() || !config.checkpoint.is_submitter {
        return;
    }
    // A missing or broken key has an entry of its own.
    let Ok(part) = keystore::public_part(&home.key(KeyName::Account)) else { return };
    let Ok(address) = parse::address(&part.public) else { return };
    for url in &config.parent.endpoints {
        let Ok(client) = connect(url) else { continue };
        if let Ok(balance) = client.wallet_balance(&address).await {
            checks.push(verdict(&part.public, &balance));
            return;
        }
    }
    checks.push(Check::skipped(NAME, format!("no endpoint of the parent says what {} holds", part.public)));
}

fn verdict(address: &str, balance: &TokenAmount) -> Check {
    let finding = format!("{address} holds {} on the parent", fil(balance));
    let advice = "send it something on the parent, or set checkpoint.is_submitter = false in config.toml";
    if balance.is_zero() {
        return Check::bad(NAME, format!("{finding}: this node submits no checkpoints"), advice);
    }
    if *balance < TokenAmount::from_whole(FUNDS_LOW_FIL) {
        return Check::warning(NAME, finding, advice);
    }
    Check::good(NAME, finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::Verdict;

    #[test]
    fn account_without_funds_is_named_before_it_is_needed() {
        let verdict = |atto: u64| verdict("f1abc", &TokenAmount::from_atto(atto));
        assert_eq!(verdict(0).verdict, Verdict::Bad);
        assert_eq!(verdict(999_999_999_999_999_999).verdict, Verdict::Warning);
        let good = verdict(1_000_000_000_000_000_000);
        assert!(good.verdict == Verdict::Good && good.finding.contains("f1abc holds 1 FIL"), "{good:?}");
    }
}
