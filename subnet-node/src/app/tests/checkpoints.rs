//! From the cut to the certificate.

use engine_api::{Source, SubnetApp, Verdict};
use fvm_shared::econ::TokenAmount;
use subnet_types::{Height, Nonce, Sequence};

use super::world::{Node, PERIOD, VALIDATORS, account, checkpoint_key, extension, fil, funded, subnet, vote_key};
use crate::checkpoint::derive::domain;
use crate::storage::CrossStep;

#[tokio::test]
async fn period_ends_in_a_checkpoint_that_a_quorum_certifies_across_restarts() {
    let mut node = funded().await;
    let cut = node.step().await;
    assert_eq!(cut.block.header.height, Height::new(PERIOD));
    node.restart();

    let record = node.chain().checkpoint(Sequence::new(1)).unwrap().unwrap();
    let checkpoint = &record.checkpoint;
    assert_eq!((checkpoint.height, checkpoint.block), (Height::new(PERIOD), cut.block.id()));
    assert_eq!(checkpoint.state_root, node.chain().tip().results.state_root);
    assert_eq!(checkpoint.previous, *node.chain().identity(), "the first follows the chain's identity");
    assert_eq!((checkpoint.messages.count, checkpoint.messages.value.clone()), (1, fil(4)));
    assert_eq!(checkpoint.top_down_applied.nonce, Nonce::new(1));
    assert_eq!(Some(record.digest), checkpoint.digest(&domain(&node.content.genesis).unwrap()));
    assert_eq!(record.certificate, None);

    // Independent arithmetic: what is not in circulation any more was released or burned.
    let supply = node.chain().latest_state().unwrap().supply().unwrap();
    assert!(checkpoint.burned > TokenAmount::default(), "fees were burned");
    assert_eq!(&supply.circulating + fil(4) + &checkpoint.burned, fil(30));

    let messages = node.chain().checkpoint_messages(&record).unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].destination.address, account(7).address());
    let steps: Vec<_> =
        node.chain().cross_traces(&messages[0].id).unwrap().into_iter().map(|trace| trace.step).collect();
    let expected = [
        CrossStep::QueuedUp { nonce: Nonce::ZERO, came: None },
        CrossStep::Cut { sequence: Sequence::new(1), nonce: Nonce::ZERO },
    ];
    assert_eq!(steps, expected);

    // The votes of the next height carry the signatures.
    let next = node.next_height();
    assert!(node.app().rules(next).await.unwrap().extensions_required);
    assert!(!node.app().rules(Height::new(PERIOD)).await.unwrap().extensions_required);
    node.step().await;
    node.restart();
    let certificate = node.chain().checkpoint(Sequence::new(1)).unwrap().unwrap().certificate.unwrap();
    assert!(certificate.is_bitmap_for(usize::from(VALIDATORS)));
    let signers = (0..usize::from(VALIDATORS)).filter(|index| certificate.is_signer(*index)).count();
    assert_eq!(signers, 3);

    // The second links to the first.
    node.step().await;
    let second = node.chain().checkpoint(Sequence::new(2)).unwrap().unwrap();
    assert_eq!(second.checkpoint.previous, record.digest);
    assert_eq!(second.checkpoint.messages.first_nonce, Nonce::new(1));
}

#[tokio::test]
async fn extension_is_this_validators_signature_over_the_checkpoint_and_nothing_else_passes() {
    let node = funded().await;
    node.step().await;
    let block = node.build().await;
    assert_eq!(node.judge(&block, Source::Live).await, Verdict::Accept);
    let (height, id) = (block.header.height, block.id());
    let digest = node.chain().checkpoint(Sequence::new(1)).unwrap().unwrap().digest;
    let ours = node.app().extend_vote(height, &id).await.unwrap();
    assert_eq!(ours, checkpoint_key(1).sign_digest(&digest).as_bytes().to_vec());
    assert_eq!(node.app().extend_vote(height, &id).await.unwrap(), ours, "a later round signs the same again");

    let verify = async |seed: u8, extension: &[u8]| {
        node.app().verify_extension(height, &id, &vote_key(seed).public(), extension).await
    };
    verify(1, &ours).await.unwrap();
    assert!(verify(2, &ours).await.unwrap_err().contains("does not verify"));
    assert!(verify(1, &ours[1..]).await.unwrap_err().contains("96"));
    assert!(verify(90, &ours).await.unwrap_err().contains("no validator"));
    let other = checkpoint_key(1).sign_digest(&subnet_types::Digest([1; 32]));
    assert!(verify(1, other.as_bytes()).await.unwrap_err().contains("does not verify"));
}

#[tokio::test]
async fn heights_without_a_checkpoint_take_no_extension() {
    let node = Node::new(subnet());
    let block = node.build().await;
    let (height, id) = (block.header.height, block.id());
    assert!(node.app().extend_vote(height, &id).await.is_err());
    let some = checkpoint_key(1).sign_digest(&subnet_types::Digest([1; 32]));
    assert!(node.app().verify_extension(height, &id, &vote_key(1).public(), some.as_bytes()).await.is_err());
}

#[tokio::test]
async fn certificate_with_more_signatures_makes_up_for_one_with_too_few() {
    let node = funded().await;
    node.step().await;
    let block = node.build().await;
    let mut decided = node.decide(block);
    let extensions = decided.extensions.clone();
    decided.extensions.truncate(2);
    node.app().commit(decided.clone()).await.unwrap();
    assert_eq!(node.chain().checkpoint(Sequence::new(1)).unwrap().unwrap().certificate, None);

    let mut more = extensions;
    let digest = node.chain().checkpoint(Sequence::new(1)).unwrap().unwrap().digest;
    let (height, id) = (decided.block.header.height, decided.block.id());
    more.push(extension(node.chain().identity(), height, &id, VALIDATORS, &digest));
    node.app().upgrade_certificate(decided.certificate.clone(), more.clone()).await.unwrap();
    assert!(node.chain().checkpoint(Sequence::new(1)).unwrap().unwrap().certificate.is_some());
    assert_eq!(node.app().decided(height).await.unwrap().unwrap().extensions, more);

    let mut other = decided.certificate;
    other.block = decided.block.header.parent;
    assert!(node.app().upgrade_certificate(other, vec![]).await.is_err(), "a certificate for another block");
}
