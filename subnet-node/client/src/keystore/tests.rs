use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::tempdir;

use super::*;
use crate::keys::{AccountKey, AccountScheme};

const KINDS: [KeyKind; 5] =
    [KeyKind::Vote, KeyKind::Checkpoint, KeyKind::P2p, KeyKind::AccountSecp256k1, KeyKind::AccountBls];

/// Overwrites a field of a key file.
fn tamper(path: &std::path::Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, serde_json::to_vec(&json).unwrap()).unwrap();
}

#[test]
fn every_kind_comes_back_with_its_password() {
    let folder = tempdir().unwrap();
    for kind in KINDS {
        let path = folder.path().join(format!("{kind}.json"));
        let key = Key::generate(kind);
        save(&path, &key, "horse", KdfCost::Devnet).unwrap();
        let back = load(&path, "horse").unwrap();
        assert_eq!(back.public_part(), key.public_part());
        assert_eq!(back.secret(), key.secret());
        assert_eq!(public_part(&path).unwrap(), key.public_part(), "readable without the password");
    }
    let listed: Vec<KeyKind> = list(folder.path()).unwrap().iter().map(|(_, e)| e.public_part().kind).collect();
    assert_eq!(listed.len(), KINDS.len());
}

#[test]
fn standard_cost_is_said_in_the_file_and_opens() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("account.json");
    save(&path, &Key::generate(KeyKind::AccountSecp256k1), "horse", KdfCost::Standard).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(json["kdf"]["memoryKib"], 65536);
    assert_eq!(json["kdf"]["cost"], "standard");
    load(&path, "horse").unwrap();
}

#[test]
fn the_secret_is_not_in_the_file() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("account.json");
    let key = Key::generate(KeyKind::AccountSecp256k1);
    save(&path, &key, "horse", KdfCost::Devnet).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&hex::encode(key.secret().as_slice())));
    assert!(!format!("{key:?}").contains(&hex::encode(key.secret().as_slice())));
}

#[test]
fn a_wrong_password_is_called_that() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("vote.json");
    save(&path, &Key::generate(KeyKind::Vote), "horse", KdfCost::Devnet).unwrap();
    assert!(matches!(load(&path, "battery"), Err(KeystoreError::Password { .. })));
    assert!(load(&path, "").is_err());
}

#[test]
fn a_changed_public_part_is_found_out() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("account.json");
    save(&path, &Key::generate(KeyKind::AccountSecp256k1), "horse", KdfCost::Devnet).unwrap();
    let stranger = AccountKey::generate(AccountScheme::Secp256k1).address();
    tamper(&path, |json| json["key"]["public"] = subnet_types::subnet_id::display_address(&stranger).into());
    assert!(matches!(load(&path, "horse"), Err(KeystoreError::Password { .. })));
}

#[test]
fn a_file_that_asks_for_too_much_work_is_refused_at_once() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("vote.json");
    save(&path, &Key::generate(KeyKind::Vote), "horse", KdfCost::Devnet).unwrap();
    tamper(&path, |json| json["kdf"]["memoryKib"] = u32::MAX.into());
    let error = load(&path, "horse").unwrap_err();
    assert!(matches!(&error, KeystoreError::Form { reason, .. } if reason.contains("4294967295 KiB")), "{error}");
}

#[test]
fn garbage_is_no_key_file_and_never_panics() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("vote.json");
    let private = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    for garbage in [&b""[..], b"{}", b"[1,2]", b"\xff\xfe\x00", &[b'x'; 20_000]] {
        private(garbage);
        assert!(matches!(load(&path, "horse"), Err(KeystoreError::Form { .. })), "{garbage:?}");
    }
    fs::remove_file(&path).unwrap();
    save(&path, &Key::generate(KeyKind::Vote), "horse", KdfCost::Devnet).unwrap();
    let good = fs::read(&path).unwrap();
    type Change = fn(&mut serde_json::Value);
    let changes: [Change; 9] = [
        |json| json["version"] = 2.into(),
        |json| json["kdf"]["salt"] = "zz".into(),
        |json| json["kdf"]["salt"] = "00".into(),
        |json| json["kdf"]["memoryKib"] = 0.into(),
        |json| json["kdf"]["passes"] = 0.into(),
        |json| json["kdf"]["lanes"] = 0.into(),
        |json| json["cipher"]["nonce"] = "00".into(),
        |json| json["cipher"]["text"] = "0".into(),
        |json| json["more"] = "fields".into(),
    ];
    for change in changes {
        private(&good);
        tamper(&path, change);
        assert!(matches!(load(&path, "horse"), Err(KeystoreError::Form { .. })));
    }
    private(&good);
    tamper(&path, |json| json["cipher"]["text"] = "".into());
    assert!(matches!(load(&path, "horse"), Err(KeystoreError::Password { .. })));
}

#[test]
fn a_key_is_never_replaced_and_failures_leave_nothing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("vote.json");
    save(&path, &Key::generate(KeyKind::Vote), "horse", KdfCost::Devnet).unwrap();
    let before = fs::read(&path).unwrap();
    let again = save(&path, &Key::generate(KeyKind::Vote), "horse", KdfCost::Devnet);
    assert!(matches!(again, Err(KeystoreError::Exists { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn files_are_private_and_open_ones_are_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("deep/er/vote.json");
    save(&path, &Key::generate(KeyKind::Vote), "horse", KdfCost::Devnet).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let error = load(&path, "horse").unwrap_err();
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[test]
fn a_missing_folder_has_no_keys_and_a_missing_file_is_named() {
    let folder = tempdir().unwrap();
    assert!(list(&folder.path().join("nowhere")).unwrap().is_empty());
    let error = load(&folder.path().join("nowhere.json"), "horse").unwrap_err();
    assert!(error.to_string().contains("nowhere.json"), "{error}");
}

#[test]
fn a_key_of_another_kind_is_refused_by_name() {
    let path = std::path::Path::new("vote.json");
    let error = Key::generate(KeyKind::P2p).into_vote(path).unwrap_err();
    assert_eq!(error.to_string(), "vote.json holds a p2p key, expected a vote key");
    assert!(Key::generate(KeyKind::Vote).into_vote(path).is_ok());
}

#[test]
fn the_first_line_of_a_password_file_is_the_password() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("password");
    let source = PasswordSource { file: Some(path.clone()), may_prompt: false };
    fs::write(&path, "horse battery\nsecond line\n").unwrap();
    assert_eq!(source.read().unwrap().as_str(), "horse battery");
    fs::write(&path, "\n").unwrap();
    assert!(matches!(source.read(), Err(PasswordError::File { .. })));
    fs::write(&path, vec![b'x'; 5000]).unwrap();
    assert!(matches!(source.read(), Err(PasswordError::File { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(source.choose(), Err(PasswordError::File { .. })));
}
