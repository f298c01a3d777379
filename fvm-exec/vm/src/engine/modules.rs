//! Compiled actors by code, each compiled once however many lanes ask for it at the same time.

use std::collections::HashMap;
use std::sync::Arc;

use cid::Cid;
use parking_lot::{Mutex, RwLock};

/// A cache whose values take long to make. Whoever asks for one that is being made waits for it; others do not.
pub(crate) struct Once<V> {
    made: RwLock<HashMap<Cid, V>>,
    /// One lock for each value that is being made.
    making: Mutex<HashMap<Cid, Arc<Mutex<()>>>>,
}

impl<V> Default for Once<V> {
    fn default() -> Self {
        Self { made: RwLock::default(), making: Mutex::default() }
    }
}

impl<V: Clone> Once<V> {
    /// The value of `key`, made by `make` if nobody has. A failure, and `None`, are not remembered.
    ///
    /// # Errors
    /// What `make` says.
    pub(crate) fn get_or_make<E>(
        &self,
        key: &Cid,
        make: impl FnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<V>, E> {
        if let Some(value) = self.made.read().get(key) {
            return Ok(Some(value.clone()));
        }
        let lock = self.making.lock().entry(*key).or_default().clone();
        let _turn = lock.lock();
        // Whoever was here before may have made it.
        if let Some(value) = self.made.read().get(key) {
            return Ok(Some(value.clone()));
        }
        let value = make()?;
        if let Some(value) = &value {
            self.made.write().insert(*key, value.clone());
            self.making.lock().remove(key);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fvm_shared::EMPTY_ARR_CID as KEY;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn all_who_ask_get_the_one_that_was_made() {
        let cache = Once::<u32>::default();
        let made = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let value = cache.get_or_make(&KEY, || {
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        Ok::<_, ()>(Some(made.fetch_add(1, Ordering::SeqCst)))
                    });
                    assert_eq!(value, Ok(Some(0)));
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn failures_are_tried_again() {
        let cache = Once::<u32>::default();
        assert_eq!(cache.get_or_make(&KEY, || Err("broken")), Err("broken"));
        assert_eq!(cache.get_or_make(&KEY, || Ok::<_, &str>(None)), Ok(None));
        assert_eq!(cache.get_or_make(&KEY, || Ok::<_, &str>(Some(3))), Ok(Some(3)));
        assert_eq!(cache.get_or_make(&KEY, || Err("broken")), Ok(Some(3)));
    }
}
