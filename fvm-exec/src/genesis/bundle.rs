//! The actor bundle: code by name.

use std::collections::{BTreeMap, BTreeSet};

use actor_runtime::builtin;
use cid::Cid;
use fvm_ipld_blockstore::Blockstore;
use fvm_ipld_encoding::CborStore;

use crate::error::ExecError;

/// Version of the manifest's layout, the only one that the VM reads.
const MANIFEST_VERSION: u32 = 1;

/// An actor bundle whose manifest is in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    manifest: Cid,
    list: Cid,
    codes: BTreeMap<String, Cid>,
}

impl Bundle {
    /// Reads the bundle with this manifest and checks that it has every actor a chain needs, with its code, where the
    /// VM and the actors expect it: they tell built-in actors apart by position.
    ///
    /// # Errors
    /// When it is not there, not complete, or in another order.
    pub fn load<B: Blockstore>(store: &B, manifest: &Cid) -> Result<Self, ExecError> {
        let wrong = |problem: String| ExecError::Bundle { bundle: Box::new(*manifest), problem };
        let unreadable = |error: anyhow::Error| wrong(format!("{error:#}"));
        let (version, list): (u32, Cid) =
            store.get_cbor(manifest).map_err(unreadable)?.ok_or_else(|| wrong("is not in the store".to_owned()))?;
        if version != MANIFEST_VERSION {
            return Err(wrong(format!("version {version}, only {MANIFEST_VERSION} is known")));
        }
        let entries: Vec<(String, Cid)> = store
            .get_cbor(&list)
            .map_err(unreadable)?
            .ok_or_else(|| wrong(format!("its list {list} is not in the store")))?;
        for (index, expected) in builtin::NAMES.into_iter().enumerate() {
            match entries.get(index) {
                None => return Err(wrong(format!("has no {expected} actor"))),
                Some((name, _)) if name != expected => {
                    return Err(wrong(format!("has {name} in place {}, expected {expected}", index + 1)));
                }
                Some(_) => {}
            }
        }
        let mut codes = BTreeMap::new();
        // Codes tell the types of actors apart, which is why no two actors may have the same.
        let mut seen = BTreeSet::new();
        for (name, code) in entries {
            if !store.has(&code).map_err(unreadable)? {
                return Err(wrong(format!("code {code} of {name} is not in the store")));
            }
            if codes.insert(name.clone(), code).is_some() {
                return Err(wrong(format!("lists {name} twice")));
            }
            if !seen.insert(code) {
                return Err(wrong(format!("has the code {code} of {name} twice")));
            }
        }
        Ok(Self { manifest: *manifest, list, codes })
    }

    /// CID of the manifest, by which a genesis names the bundle.
    pub const fn manifest(&self) -> Cid {
        self.manifest
    }

    /// CID of the list of names and codes, which the system actor's state holds.
    pub const fn list(&self) -> Cid {
        self.list
    }

    /// Code of the actor with this name.
    ///
    /// # Errors
    /// When the bundle has none.
    pub fn code(&self, name: &str) -> Result<Cid, ExecError> {
        self.codes.get(name).copied().ok_or_else(|| ExecError::Bundle {
            bundle: Box::new(self.manifest),
            problem: format!("has no {name} actor"),
        })
    }

    /// Whether every chain has an actor of this name, at the same place.
    pub fn is_builtin(name: &str) -> bool {
        builtin::number(name).is_some()
    }

    /// All actors, by name.
    pub fn codes(&self) -> impl Iterator<Item = (&str, &Cid)> {
        self.codes.iter().map(|(name, code)| (name.as_str(), code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_ipld_blockstore::{Block, MemoryBlockstore};
    use fvm_ipld_encoding::IPLD_RAW;
    use multihash_codetable::Code::Blake2b256;

    fn put(store: &MemoryBlockstore, version: u32, names: &[&str]) -> Cid {
        let code = |name: &&str| {
            let cid = store.put(Blake2b256, &Block::new(IPLD_RAW, name.as_bytes())).unwrap();
            ((*name).to_owned(), cid)
        };
        let entries: Vec<(String, Cid)> = names.iter().map(code).collect();
        let list = store.put_cbor(&entries, Blake2b256).unwrap();
        store.put_cbor(&(version, list), Blake2b256).unwrap()
    }

    fn problem(store: &MemoryBlockstore, manifest: &Cid) -> String {
        match Bundle::load(store, manifest) {
            Err(ExecError::Bundle { problem, .. }) => problem,
            other => panic!("expected a bundle error, got {other:?}"),
        }
    }

    #[test]
    fn complete_bundle_gives_codes_by_name() {
        let store = MemoryBlockstore::default();
        let manifest = put(&store, 1, &builtin::NAMES);
        let bundle = Bundle::load(&store, &manifest).unwrap();
        assert_eq!(bundle.manifest(), manifest);
        assert_eq!(bundle.codes().count(), builtin::NAMES.len());
        assert!(store.has(&bundle.code("init").unwrap()).unwrap());
        assert!(bundle.code("market").is_err());
    }

    #[test]
    fn each_defect_of_a_bundle_is_named() {
        let store = MemoryBlockstore::default();
        let names = builtin::NAMES;
        assert!(problem(&store, &put(&store, 2, &names)).contains("version 2"));
        assert!(problem(&store, &put(&store, 1, &names[..names.len() - 1])).contains("no courier actor"));
        let mut swapped = names;
        swapped.swap(1, 3);
        assert!(problem(&store, &put(&store, 1, &swapped)).contains("has account in place 2, expected init"));
        let twice: Vec<&str> = names.into_iter().chain(["init"]).collect();
        assert!(problem(&store, &put(&store, 1, &twice)).contains("init twice"));
        let bundle = Bundle::load(&store, &put(&store, 1, &names)).unwrap();
        let mut entries: Vec<(String, Cid)> = store.get_cbor(&bundle.list()).unwrap().unwrap();
        entries.push(("mine".to_owned(), bundle.code("account").unwrap()));
        let list = store.put_cbor(&entries, Blake2b256).unwrap();
        let same = store.put_cbor(&(1, list), Blake2b256).unwrap();
        assert!(problem(&store, &same).contains("of mine twice"));
        let elsewhere = put(&MemoryBlockstore::default(), 1, &names);
        assert!(problem(&MemoryBlockstore::default(), &elsewhere).contains("not in the store"));
        let entries: Vec<(String, Cid)> = names.iter().map(|name| ((*name).to_owned(), elsewhere)).collect();
        let codeless = MemoryBlockstore::default();
        let list = codeless.put_cbor(&entries, Blake2b256).unwrap();
        let manifest = codeless.put_cbor(&(1u32, list), Blake2b256).unwrap();
        assert!(problem(&codeless, &manifest).contains("code"));
    }
}
