//! Bundles for chains that have more actors than the system's.

use actor_bundle::BUNDLE_CAR;
use actor_bundle::archive::Archive;
use test_actors::Module;

/// The node's own bundle and `own` behind it, as a CAR.
///
/// # Errors
/// When they make none.
pub(crate) fn bundle(own: &[Module]) -> anyhow::Result<Vec<u8>> {
    let own = own.iter().map(|module| (module.name.to_owned(), module.wasm.to_vec()));
    Ok(Archive::read(BUNDLE_CAR)?.with_own(own)?.to_car()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_actors::TOKEN;

    #[test]
    fn bundle_has_the_systems_actors_and_then_ours() {
        let archive = Archive::read(&bundle(&[TOKEN]).unwrap()).unwrap();
        let ours = (TOKEN.name.to_owned(), TOKEN.code());
        let expected: Vec<_> = actor_bundle::actors().iter().cloned().chain([ours]).collect();
        assert_eq!(archive.actors, expected);
    }
}
