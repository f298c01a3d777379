//! The bundle as a CAR file: writing one from wasm modules, reading one with every check.

use std::collections::{BTreeMap, BTreeSet};

use actor_runtime::builtin;
use cid::Cid;
use cid::multihash::Multihash;
use fvm_ipld_car::{Block, CarHeader, CarReader, CarWriter};
use subnet_types::hash::{BLAKE2B_256, blake2b_256, cid_of_bytes, encode};

/// Version of the manifest's form that the VM reads.
pub const MANIFEST_VERSION: u32 = 1;
/// Codec of code blocks.
const RAW: u64 = 0x55;

/// Most actors that a bundle has besides the built-in ones. A node compiles all of them before its first block.
pub const OWN_ACTORS_MAX: usize = 64;
/// Most characters in the name of one.
pub const OWN_NAME_CHARS_MAX: usize = 64;

/// A bundle whose every link is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// CID of the manifest, the CAR's only root.
    pub manifest: Cid,
    /// CID of the list of actors.
    pub list: Cid,
    /// Names and codes in the order of type numbers.
    pub actors: Vec<(String, Cid)>,
    /// All blocks, manifest and list included.
    pub blocks: BTreeMap<Cid, Vec<u8>>,
}

/// Why bytes are no bundle, or modules make none.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The CAR cannot be read or written.
    #[error("bundle CAR: {0}")]
    Car(#[from] fvm_ipld_car::Error),
    /// The CAR has another number of roots than one.
    #[error("bundle CAR has {actual} roots, expected the manifest alone")]
    Roots {
        /// How many.
        actual: usize,
    },
    /// A block that should be there is not.
    #[error("bundle CAR lacks {what} {cid}")]
    Missing {
        /// What it is.
        what: String,
        /// Its CID.
        cid: Cid,
    },
    /// Manifest or list are not what they should encode.
    #[error("bundle {what}: {source}")]
    Form {
        /// Which.
        what: &'static str,
        /// Why.
        source: fvm_ipld_encoding::Error,
    },
    /// The manifest has a form that this code does not know.
    #[error("bundle manifest has version {actual}, expected {MANIFEST_VERSION}")]
    Version {
        /// Its version.
        actual: u32,
    },
    /// A built-in actor is missing, or another one is at its type number.
    #[error("bundle has {actual:?} at type number {number}, expected {expected:?}")]
    Position {
        /// Type number.
        number: usize,
        /// Name found.
        actual: Option<String>,
        /// Name expected.
        expected: Option<&'static str>,
    },
    /// More actors of a chain's own than there may be.
    #[error("bundle has {actual} actors of its chain's own, at most {OWN_ACTORS_MAX} are allowed")]
    TooManyOwn {
        /// How many.
        actual: usize,
    },
    /// A name that an actor of a chain's own cannot have.
    #[error(
        "actor name {name:?}: expected 1 to {OWN_NAME_CHARS_MAX} small letters, digits or hyphens, and no other \
         actor's name"
    )]
    OwnName {
        /// The name.
        name: String,
    },
    /// Two actors with the same code, which is how the VM tells their types apart.
    #[error("actor {name} has the code {code} of another actor of the bundle")]
    SameCode {
        /// The second of them.
        name: String,
        /// Their code.
        code: Cid,
    },
}

impl Archive {
    /// A bundle of these modules, by name. Names of [`builtin::NAMES`] that are not among them get `absent`.
    pub fn from_modules(modules: &BTreeMap<String, Vec<u8>>, absent: &[u8]) -> Self {
        let mut blocks = BTreeMap::new();
        let mut actors = Vec::new();
        for name in builtin::NAMES {
            let wasm = modules.get(name).cloned().unwrap_or_else(|| marked(absent, name));
            let code = code_cid(&wasm);
            blocks.insert(code, wasm);
            actors.push((name.to_owned(), code));
        }
        Self::listed(actors, blocks)
    }

    /// The same bundle with further actors behind the others: those of a chain's own, by name and wasm.
    ///
    /// # Errors
    /// When there are too many, a name cannot be one, or code is there already.
    pub fn with_own(self, own: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, ArchiveError> {
        let Self { manifest, list, mut actors, mut blocks } = self;
        blocks.remove(&manifest);
        blocks.remove(&list);
        for (name, wasm) in own {
            let code = code_cid(&wasm);
            blocks.insert(code, wasm);
            actors.push((name, code));
        }
        check_actors(&actors)?;
        Ok(Self::listed(actors, blocks))
    }

    fn listed(actors: Vec<(String, Cid)>, mut blocks: BTreeMap<Cid, Vec<u8>>) -> Self {
        let mut put = |block: Vec<u8>| {
            let cid = cid_of_bytes(&block);
            blocks.insert(cid, block);
            cid
        };
        let list = put(encode(&actors));
        let manifest = put(encode(&(MANIFEST_VERSION, list)));
        Self { manifest, list, actors, blocks }
    }

    /// The CAR: manifest, list, then code in the order of type numbers.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn to_car(&self) -> Result<Vec<u8>, ArchiveError> {
        let mut car = Vec::new();
        let mut writer = CarWriter::new(CarHeader::new(vec![self.manifest], 1), &mut car)?;
        let codes = self.actors.iter().map(|(_, code)| *code);
        for cid in [self.manifest, self.list].into_iter().chain(codes) {
            let data = self.blocks.get(&cid).cloned().ok_or_else(|| missing("block", cid))?;
            writer.write(Block { cid, data })?;
        }
        writer.flush()?;
        Ok(car)
    }

    /// Reads a CAR, checking every block against its CID and the list against the type numbers.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(car: &[u8]) -> Result<Self, ArchiveError> {
        let reader = CarReader::new(car)?;
        let [manifest] = reader.header.roots[..] else {
            return Err(ArchiveError::Roots { actual: reader.header.roots.len() });
        };
        let blocks: BTreeMap<Cid, Vec<u8>> = reader.map(|block| block.map(Into::into)).collect::<Result<_, _>>()?;
        let get = |what: &str, cid: Cid| blocks.get(&cid).ok_or_else(|| missing(what, cid));

        let form = |what| move |source| ArchiveError::Form { what, source };
        let (version, list): (u32, Cid) =
            fvm_ipld_encoding::from_slice(get("manifest", manifest)?).map_err(form("manifest"))?;
        if version != MANIFEST_VERSION {
            return Err(ArchiveError::Version { actual: version });
        }
        let actors: Vec<(String, Cid)> = fvm_ipld_encoding::from_slice(get("list", list)?).map_err(form("list"))?;
        check_actors(&actors)?;
        for (name, code) in &actors {
            get(&format!("code of {name}"), *code)?;
        }
        Ok(Self { manifest, list, actors, blocks })
    }
}

/// Whether the built-in actors are at their type numbers, and whatever follows can follow.
fn check_actors(actors: &[(String, Cid)]) -> Result<(), ArchiveError> {
    for (index, expected) in builtin::NAMES.into_iter().enumerate() {
        let actual = actors.get(index).map(|(name, _)| name.clone());
        if actual.as_deref() != Some(expected) {
            return Err(ArchiveError::Position { number: index + 1, actual, expected: Some(expected) });
        }
    }
    let own = actors.get(builtin::NAMES.len()..).unwrap_or_default();
    if own.len() > OWN_ACTORS_MAX {
        return Err(ArchiveError::TooManyOwn { actual: own.len() });
    }
    let (mut names, mut codes) = (BTreeSet::new(), BTreeSet::new());
    for (name, code) in actors {
        if !names.insert(name) || !is_name(name) {
            return Err(ArchiveError::OwnName { name: name.clone() });
        }
        if !codes.insert(code) {
            return Err(ArchiveError::SameCode { name: name.clone(), code: *code });
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=OWN_NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_fit)
}

fn missing(what: &str, cid: Cid) -> ArchiveError {
    ArchiveError::Missing { what: what.to_owned(), cid }
}

/// The CID by which a chain knows this code.
pub fn code_cid(wasm: &[u8]) -> Cid {
    let hash = Multihash::wrap(BLAKE2B_256, blake2b_256(wasm).as_bytes()).expect("32 bytes fit a multihash");
    Cid::new_v1(RAW, hash)
}

/// `wasm` with a custom section that holds `name`, so that each absent actor has a code of its own: the VM tells types
/// apart by code.
fn marked(wasm: &[u8], name: &str) -> Vec<u8> {
    const CUSTOM_SECTION: u8 = 0;
    let section_bytes = u8::try_from(name.len() + 1).expect("names of built-in actors are short");
    assert!(section_bytes < 0x80, "lengths below 128 are one byte in LEB128, {name} is longer");
    [wasm, &[CUSTOM_SECTION, section_bytes, section_bytes - 1], name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Archive {
        let modules = [("system".to_owned(), b"system code".to_vec())].into();
        Archive::from_modules(&modules, b"absent code")
    }

    #[test]
    fn what_is_written_reads_back() {
        let archive = archive();
        assert_eq!(Archive::read(&archive.to_car().unwrap()).unwrap(), archive);
        assert_eq!(archive.blocks[&archive.actors[0].1], b"system code");
    }

    #[test]
    fn every_absent_actor_has_its_own_code() {
        let codes: std::collections::BTreeSet<_> = archive().actors.into_iter().map(|(_, code)| code).collect();
        assert_eq!(codes.len(), builtin::NAMES.len());
    }

    #[test]
    fn a_flipped_byte_is_found() {
        let mut car = archive().to_car().unwrap();
        let last = car.len() - 1;
        car[last] ^= 1;
        assert!(matches!(Archive::read(&car), Err(ArchiveError::Car(_))));
    }

    #[test]
    fn an_actor_at_anothers_number_is_found() {
        let mut swapped = archive();
        swapped.actors.swap(0, 1);
        let list = encode(&swapped.actors);
        swapped.list = cid_of_bytes(&list);
        swapped.blocks.insert(swapped.list, list);
        let manifest = encode(&(MANIFEST_VERSION, swapped.list));
        swapped.manifest = cid_of_bytes(&manifest);
        swapped.blocks.insert(swapped.manifest, manifest);
        let error = Archive::read(&swapped.to_car().unwrap()).unwrap_err();
        assert!(matches!(error, ArchiveError::Position { number: 1, expected: Some("system"), .. }), "{error}");
    }

    #[test]
    fn own_actors_follow_the_built_in_ones() {
        let own = [("dex".to_owned(), b"dex code".to_vec()), ("oracle-2".to_owned(), b"oracle code".to_vec())];
        let with = archive().with_own(own).unwrap();
        assert_ne!(with.manifest, archive().manifest);
        assert_eq!(with.actors[..builtin::NAMES.len()], archive().actors);
        assert_eq!(with.actors[builtin::NAMES.len()], ("dex".to_owned(), code_cid(b"dex code")));
        assert_eq!(Archive::read(&with.to_car().unwrap()).unwrap(), with);
        // Nothing of the smaller bundle's own blocks is left over.
        assert_eq!(with.blocks.len(), archive().blocks.len() + 2);
    }

    #[test]
    fn own_actors_need_a_name_and_code_of_their_own() {
        let with = |name: &str, code: &[u8]| archive().with_own([(name.to_owned(), code.to_vec())]);
        for name in ["", "account", "Dex", "a b", "../x", &"x".repeat(OWN_NAME_CHARS_MAX + 1)] {
            assert!(matches!(with(name, b"code"), Err(ArchiveError::OwnName { .. })), "{name:?}");
        }
        assert!(with(&"x".repeat(OWN_NAME_CHARS_MAX), b"code").is_ok());
        assert!(matches!(with("mine", b"system code"), Err(ArchiveError::SameCode { .. })));
        let many = |count: usize| archive().with_own((0..count).map(|i| (format!("a{i}"), vec![1, i as u8])));
        assert!(many(OWN_ACTORS_MAX).is_ok());
        assert!(matches!(many(OWN_ACTORS_MAX + 1), Err(ArchiveError::TooManyOwn { actual: 65 })));
    }

    #[test]
    fn missing_code_is_found() {
        let whole = archive();
        let mut car = Vec::new();
        let mut writer = CarWriter::new(CarHeader::new(vec![whole.manifest], 1), &mut car).unwrap();
        for cid in [whole.manifest, whole.list] {
            writer.write(Block { cid, data: whole.blocks[&cid].clone() }).unwrap();
        }
        assert!(matches!(Archive::read(&car), Err(ArchiveError::Missing { .. })));
    }
}
