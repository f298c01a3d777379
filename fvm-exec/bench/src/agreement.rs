//! Whether two contenders have made the same of a block: everything that nodes must agree on.

use cid::Cid;
use fvm::executor::ApplyRet;
use fvm_shared::message::Message;

use crate::workload::BlockMessage;

/// What a block has become.
#[derive(Debug)]
pub struct Outcome {
    /// For each message.
    pub results: Vec<ApplyRet>,
    /// The state's root.
    pub root: Cid,
}

/// How two outcomes differ.
#[derive(Debug, thiserror::Error)]
pub enum Disagreement {
    /// One has more results than the other.
    #[error("a block of {messages} messages has {expected} results and {actual}")]
    Count {
        /// Messages of the block.
        messages: usize,
        /// Results of the reference.
        expected: usize,
        /// Results of the other.
        actual: usize,
    },
    /// A message has another receipt, other events or another price.
    #[error("message {index} differs: {message:#?}\nreference: {expected:#?}\nother: {actual:#?}")]
    Message {
        /// Its position in the block.
        index: usize,
        /// The message.
        message: Box<Message>,
        /// What the reference made of it.
        expected: Box<ApplyRet>,
        /// What the other made of it.
        actual: Box<ApplyRet>,
    },
    /// All results are the same, but not the state.
    #[error("all results are the same, the state's root is {actual}, expected {expected}")]
    Root {
        /// Of the reference.
        expected: Cid,
        /// Of the other.
        actual: Cid,
    },
}

/// Compares what a block has become with what it has become for the reference.
///
/// # Errors
/// The first difference.
pub fn check(block: &[BlockMessage], expected: &Outcome, actual: &Outcome) -> Result<(), Disagreement> {
    let counts = [block.len(), expected.results.len(), actual.results.len()];
    let [messages, first, second] = counts;
    if messages != first || messages != second {
        return Err(Disagreement::Count { messages, expected: first, actual: second });
    }
    for (index, (message, (one, other))) in block.iter().zip(expected.results.iter().zip(&actual.results)).enumerate() {
        if !same(one, other) {
            return Err(Disagreement::Message {
                index,
                message: Box::new(message.message.clone()),
                expected: Box::new(one.clone()),
                actual: Box::new(other.clone()),
            });
        }
    }
    if expected.root != actual.root {
        return Err(Disagreement::Root { expected: expected.root, actual: actual.root });
    }
    Ok(())
}

/// All but the words of failures and the trace.
fn same(one: &ApplyRet, other: &ApplyRet) -> bool {
    one.msg_receipt == other.msg_receipt
        && one.events == other.events
        && one.return_codec == other.return_codec
        && (one.gas_refund, one.gas_burned) == (other.gas_refund, other.gas_burned)
        && one.penalty == other.penalty
        && one.miner_tip == other.miner_tip
        && one.base_fee_burn == other.base_fee_burn
        && one.over_estimation_burn == other.over_estimation_burn
        && one.refund == other.refund
        && one.failure_info.is_some() == other.failure_info.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::address::Address;
    use fvm_shared::econ::TokenAmount;
    use fvm_shared::error::ExitCode;
    use subnet_types::hash::cid_of;

    fn outcome(penalties: &[u64], root: &str) -> Outcome {
        let result = |penalty: &u64| {
            let code = ExitCode::SYS_SENDER_INVALID;
            ApplyRet::prevalidation_fail(code, format!("in words, {penalty}"), TokenAmount::from_atto(*penalty))
        };
        Outcome { results: penalties.iter().map(result).collect(), root: cid_of(&root) }
    }

    fn block(length: usize) -> Vec<BlockMessage> {
        let to = Address::new_id(1);
        let message = Message {
            version: 0,
            from: to,
            to,
            sequence: 0,
            value: TokenAmount::default(),
            method_num: 0,
            params: Default::default(),
            gas_limit: 0,
            gas_fee_cap: TokenAmount::default(),
            gas_premium: TokenAmount::default(),
        };
        vec![BlockMessage { message, length: 100 }; length]
    }

    #[test]
    fn first_difference_is_named() {
        let reference = outcome(&[1, 2], "root");
        assert!(check(&block(2), &reference, &outcome(&[1, 2], "root")).is_ok());
        let different = check(&block(2), &reference, &outcome(&[1, 3], "other root"));
        assert!(matches!(different, Err(Disagreement::Message { index: 1, .. })));
        let different = check(&block(2), &reference, &outcome(&[1, 2], "other root"));
        assert!(matches!(different, Err(Disagreement::Root { .. })));
        let different = check(&block(2), &reference, &outcome(&[1], "root"));
        assert!(matches!(different, Err(Disagreement::Count { actual: 1, .. })));
    }
}
