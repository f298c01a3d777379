use super::*;

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use tempfile::TempDir;

use crate::engine::instrument::AddedExports;

const KEY: Key = Key([7; 32]);
const OTHER: Key = Key([8; 32]);

fn cache() -> (TempDir, Cache) {
    let home = TempDir::new().unwrap();
    let cache = Cache::open(&home.path().join("cache/actors")).unwrap();
    (home, cache)
}

fn some(code: &[u8]) -> Compiled {
    Compiled { code: code.to_vec(), added: AddedExports { gas: Some("vm.gas".to_owned()), start: None } }
}

fn age(cache: &Cache, name: &str, seconds: u64) {
    let file = File::open(cache.directory.join(name)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

/// Names of the files that there are, but for the lock.
fn names(cache: &Cache) -> Vec<String> {
    let entries = fs::read_dir(&cache.directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != TURN);
    names.sort();
    names
}

#[test]
fn stored_code_comes_back_to_everyone() {
    let (home, cache) = cache();
    assert_eq!(cache.load(KEY), None);
    cache.store(KEY, &some(b"code"));
    cache.store(KEY, &some(b"code"));
    cache.store(OTHER, &some(b""));
    let again = Cache::open(&home.path().join("cache/actors")).unwrap();
    assert_eq!(again.load(KEY), Some(some(b"code")));
    assert_eq!(again.load(OTHER), Some(some(b"")));
    assert_eq!(names(&cache).len(), 2, "what is temporary is gone");
    let modes = [&cache.directory, &cache.path(KEY)].map(|path| fs::metadata(path).unwrap().mode() & 0o777);
    assert_eq!(modes, [0o700, 0o600]);
}

#[test]
fn file_that_is_not_as_written_is_removed() {
    let (_home, cache) = cache();
    let path = cache.path(KEY);
    cache.store(KEY, &some(b"some code"));
    let good = fs::read(&path).unwrap();
    let mut cases: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        cases.push(bad);
    }
    cases.push([&good[..], b"more"].concat());
    cache.store(OTHER, &some(b"some code"));
    cases.push(fs::read(cache.path(OTHER)).unwrap());
    for case in cases {
        fs::write(&path, &case).unwrap();
        assert_eq!(cache.load(KEY), None);
        assert!(!path.exists());
    }
    cache.store(KEY, &some(b"some code"));
    assert_eq!(cache.load(KEY), Some(some(b"some code")));
}

#[test]
fn file_that_others_can_write_to_is_removed() {
    let (_home, cache) = cache();
    for mode in [0o620, 0o602, 0o666] {
        cache.store(KEY, &some(b"code"));
        fs::set_permissions(cache.path(KEY), Permissions::from_mode(mode)).unwrap();
        assert_eq!(cache.load(KEY), None);
        assert!(!cache.path(KEY).exists());
    }
}

#[test]
fn files_of_another_user_are_not_read() {
    let (_home, mut cache) = cache();
    cache.store(KEY, &some(b"code"));
    cache.owner += 1;
    assert_eq!(cache.load(KEY), None);
}

#[test]
fn directory_must_be_the_users_own() {
    let (home, cache) = cache();
    let open = |name: &str| Cache::open(&home.path().join(name)).map(drop).map_err(|error| format!("{error:#}"));
    for mode in [0o770, 0o707, 0o777, 0o722] {
        fs::set_permissions(&cache.directory, Permissions::from_mode(mode)).unwrap();
        let error = open("cache/actors").unwrap_err();
        assert!(error.contains("others can write"), "{error}");
    }
    fs::set_permissions(&cache.directory, Permissions::from_mode(0o755)).unwrap();
    open("cache/actors").unwrap();

    symlink(&cache.directory, home.path().join("link")).unwrap();
    assert!(open("link").unwrap_err().contains("not a directory"));
    fs::write(home.path().join("file"), b"").unwrap();
    open("file").unwrap_err();
    open("file/below").unwrap_err();
    // A directory that belongs to someone else; everybody has this one.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&cache.directory, Some(1), None).unwrap();
        assert!(open("cache/actors").unwrap_err().contains("belongs to user 1"));
    } else {
        assert!(Cache::open(Path::new("/usr")).is_err());
    }
}

#[test]
fn what_was_used_last_stays() {
    let home = TempDir::new().unwrap();
    let cache = Cache::open_with(home.path(), 1_000).unwrap();
    let keys = [1, 2, 3, 4].map(|number| Key([number; 32]));
    for (key, seconds) in keys.iter().zip([300, 200, 100]) {
        cache.store(*key, &some(&[0; 200]));
        age(&cache, &format!("{}.{ENDING}", key.name()), seconds);
    }
    // Using the oldest makes the second the oldest.
    assert!(cache.load(keys[0]).is_some());
    cache.store(keys[3], &some(&[0; 200]));
    assert_eq!(keys.map(|key| cache.path(key).exists()), [true, false, true, true]);
    // More than may be there at all goes nowhere, and costs nothing else.
    cache.store(KEY, &some(&[0; 1_000]));
    assert_eq!(names(&cache).len(), 3);
}

#[test]
fn leftovers_of_dead_processes_are_removed() {
    let (_home, cache) = cache();
    for name in ["old.1-0.new", "young.1-0.new", "foreign"] {
        fs::write(cache.directory.join(name), b"half").unwrap();
    }
    age(&cache, "old.1-0.new", 7_200);
    age(&cache, "foreign", 7_200);
    cache.store(KEY, &some(b"code"));
    assert_eq!(names(&cache), [&format!("{}.{ENDING}", KEY.name()), "foreign", "young.1-0.new"]);
}

#[test]
fn disk_that_refuses_costs_only_the_cache() {
    let (_home, cache) = cache();
    // In place of the directory there is nothing, and then something that is none: this fails for root, too.
    fs::remove_dir_all(&cache.directory).unwrap();
    cache.store(KEY, &some(b"code"));
    assert_eq!(cache.load(KEY), None);
    drop(cache.turn(KEY));
    fs::write(&cache.directory, b"").unwrap();
    cache.store(KEY, &some(b"code"));
    assert_eq!(cache.load(KEY), None);
    drop(cache.turn(KEY));
}

#[test]
fn one_compiles_and_the_others_wait_for_what_they_want() {
    let (_home, cache) = cache();
    let turn = cache.turn(KEY);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| drop(cache.turn(KEY)));
        let longer = scope.spawn(|| drop(cache.turn(OTHER)));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        cache.store(KEY, &some(b"code"));
        waiting.join().unwrap();
        assert!(!longer.is_finished());
        drop(turn);
        longer.join().unwrap();
    });
}
