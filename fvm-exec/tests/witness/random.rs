//! Random queues and random questions. The oracle is a list.

use fvm_exec::witness::{RangeLimits, RangeQuery, WitnessError, record, verify};
use proptest::prelude::*;
use subnet_types::cross::CrossMessage;
use subnet_types::hash::encode;
use subnet_types::parent::MembershipChange;
use subnet_types::{ConfigurationNumber, Nonce};

use crate::made::{Child, Parent, cid};

#[derive(Clone, Debug)]
enum Step {
    Queue {
        child: usize,
        count: usize,
        payload: usize,
    },
    Log {
        child: usize,
        count: usize,
    },
    /// Reports so many parts of a hundred of what is queued as applied, if that is no step back.
    Accept {
        child: usize,
        percent: u64,
    },
}

const CHILDREN: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let child = 0..CHILDREN;
    prop_oneof![
        5 => (child.clone(), 0..60_usize, prop_oneof![Just(0_usize), 0..2_000_usize])
            .prop_map(|(child, count, payload)| Step::Queue { child, count, payload }),
        2 => (child.clone(), 0..15_usize).prop_map(|(child, count)| Step::Log { child, count }),
        2 => (child, 0..=100_u64).prop_map(|(child, percent)| Step::Accept { child, percent }),
    ]
}

/// What was put in.
struct Model {
    child: Child,
    messages: Vec<CrossMessage>,
    changes: Vec<MembershipChange>,
    applied: u64,
}

impl Model {
    /// The range from `from` on, by the rule as it is told.
    fn messages(&self, from: usize, limits: &RangeLimits) -> Vec<CrossMessage> {
        let (mut range, mut bytes): (Vec<CrossMessage>, usize) = (Vec::new(), 0);
        for message in &self.messages[from..] {
            let is_reached = bytes >= limits.message_bytes_max;
            if range.len() == limits.messages_max || (!range.is_empty() && is_reached) {
                break;
            }
            bytes += encode(message).len();
            range.push(message.clone());
        }
        range
    }
}

fn limits() -> impl Strategy<Value = RangeLimits> {
    let bytes = prop_oneof![Just(1_usize << 20), 0..60_000_usize];
    (0..150_usize, bytes, 0..40_usize).prop_map(|(messages_max, message_bytes_max, changes_max)| RangeLimits {
        messages_max,
        message_bytes_max,
        changes_max,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_range_of_any_queue_is_proved(
        accounts in 0..200_u64,
        steps in prop::collection::vec(step(), 1..16),
        questions in prop::collection::vec((0..CHILDREN, any::<u64>(), any::<u64>(), limits(), any::<u64>()), 1..8),
    ) {
        let mut parent = Parent::with_accounts(accounts);
        let mut models: Vec<Model> = (0..CHILDREN)
            .map(|number| {
                let child = parent.child(&format!("child {number}"));
                Model { child, messages: Vec::new(), changes: Vec::new(), applied: 0 }
            })
            .collect();
        for step in steps {
            match step {
                Step::Queue { child, count, payload } => {
                    let model = &mut models[child];
                    model.messages.extend((0..count).map(|_| parent.queue(&model.child, payload)));
                }
                Step::Log { child, count } => {
                    let model = &mut models[child];
                    model.changes.extend((0..count).map(|_| parent.log(&model.child)));
                }
                Step::Accept { child, percent } => {
                    let model = &mut models[child];
                    model.applied = model.applied.max(model.messages.len() as u64 * percent / 100);
                    parent.accept(&model.child, model.applied);
                }
            }
        }
        let root = parent.root();
        for (child, nonce, configuration, limits, removed) in questions {
            let model = &models[child];
            let from = model.applied + nonce % (model.messages.len() as u64 - model.applied + 1);
            let change = configuration as usize % (model.changes.len() + 1);
            let query = RangeQuery {
                child: model.child.name.clone(),
                from_nonce: Nonce::new(from),
                // The first change makes configuration 2.
                from_configuration: ConfigurationNumber::new(change as u64 + 2),
                limits,
            };
            let recorded = record(&parent.store, &root, &query).unwrap();
            let proven = verify(&root, &query, &recorded.blocks).unwrap();
            prop_assert_eq!(&proven, &recorded.proven);
            prop_assert_eq!(&proven.messages, &model.messages(from as usize, &limits));
            let changes = &model.changes[change..];
            prop_assert_eq!(&proven.changes, &changes[..changes.len().min(limits.changes_max)]);
            prop_assert_eq!(proven.next_nonce.get(), model.messages.len() as u64);
            prop_assert_eq!(proven.next_configuration.get(), model.changes.len() as u64 + 2);
            let mut blocks = recorded.blocks;
            let lost = blocks.remove(removed as usize % blocks.len());
            prop_assert_eq!(verify(&root, &query, &blocks), Err(WitnessError::Missing { cid: cid(&lost) }));
        }
    }
}
