//! Lets a few calls at one time read the state and run the VM, on threads that may block.

use client::api::ApiError;
use tokio::sync::Semaphore;
use tracing::error;

use super::limits::{CALLS_AT_WORK_MAX, CALLS_WAITING_MAX, VM_CALLS_AT_WORK_MAX, VM_CALLS_WAITING_MAX, WAITERS_MAX};

/// The door to the blocking threads.
#[derive(Debug)]
pub(super) struct Gate {
    at_work: Semaphore,
    waiting: Semaphore,
    vm_at_work: Semaphore,
    vm_waiting: Semaphore,
    waiters: Semaphore,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            at_work: Semaphore::new(CALLS_AT_WORK_MAX),
            waiting: Semaphore::new(CALLS_WAITING_MAX),
            vm_at_work: Semaphore::new(VM_CALLS_AT_WORK_MAX),
            vm_waiting: Semaphore::new(VM_CALLS_WAITING_MAX),
            waiters: Semaphore::new(WAITERS_MAX),
        }
    }

    /// Runs `work` on a blocking thread when its turn comes.
    ///
    /// Refuses at once when too many wait, so that a flood cannot fill the memory with pending calls. A panic in
    /// `work` is a bug of this node; it is logged and costs this one call only.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let _place = self.waiting.try_acquire().map_err(|_| busy("calls", CALLS_WAITING_MAX))?;
        let _turn = self.at_work.acquire().await.map_err(|_| busy("calls", CALLS_WAITING_MAX))?;
        match tokio::task::spawn_blocking(work).await {
            Ok(outcome) => outcome,
            Err(failure) => {
                error!(reason = %failure, "a call ended in a bug");
                Err(ApiError::Internal("the call ended in a bug of this node; its log says more".to_owned()))
            }
        }
    }

    /// The same for work that runs the VM. Such calls wait apart from the others, before they take a place: a few
    /// that are slow would otherwise hold up every cheap call.
    pub(super) async fn run_vm<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let _place = self.vm_waiting.try_acquire().map_err(|_| busy("calls of the VM", VM_CALLS_WAITING_MAX))?;
        let _turn = self.vm_at_work.acquire().await.map_err(|_| busy("calls of the VM", VM_CALLS_WAITING_MAX))?;
        self.run(work).await
    }

    /// Counts the caller among those who wait for a message, until the answer is dropped.
    pub(super) fn enter_wait(&self) -> Result<impl Drop + '_, ApiError> {
        self.waiters.try_acquire().map_err(|_| busy("waiting callers", WAITERS_MAX))
    }
}

fn busy(what: &str, max: usize) -> ApiError {
    ApiError::NotReady(format!("the node has {max} {what} already, the most it takes; ask again later"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_panic_costs_one_call() {
        let gate = Gate::new();
        let broken = gate.run(|| -> Result<(), ApiError> { panic!("on purpose") }).await;
        assert!(matches!(broken, Err(ApiError::Internal(_))));
        assert_eq!(gate.run(|| Ok(7)).await, Ok(7));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn cheap_calls_are_answered_while_calls_of_the_vm_wait() {
        let gate = Arc::new(Gate::new());
        let (open, door) = std::sync::mpsc::channel::<()>();
        let door = Arc::new(parking_lot::Mutex::new(door));
        let slow = || {
            let (gate, door) = (gate.clone(), door.clone());
            let pass = move || {
                // Opened by the test's dropping its end.
                assert!(door.lock().recv().is_err());
                Ok(())
            };
            tokio::spawn(async move { gate.run_vm(pass).await })
        };
        let calls: Vec<_> = (0..VM_CALLS_WAITING_MAX).map(|_| slow()).collect();
        while gate.vm_waiting.available_permits() > 0 || gate.at_work.available_permits() == CALLS_AT_WORK_MAX {
            tokio::task::yield_now().await;
        }
        for number in 0..2 * CALLS_AT_WORK_MAX {
            let cheap = tokio::time::timeout(std::time::Duration::from_secs(60), gate.run(move || Ok(number)));
            assert_eq!(cheap.await.expect("no cheap call waits for the VM"), Ok(number));
        }
        assert!(matches!(gate.run_vm(|| Ok(())).await, Err(ApiError::NotReady(_))), "their own queue has an end");
        drop(open);
        for call in calls {
            assert!(call.await.expect("ran").is_ok());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn calls_beyond_the_limit_are_refused_and_later_ones_served() {
        let gate = Arc::new(Gate::new());
        let (open, door) = std::sync::mpsc::channel::<()>();
        let door = Arc::new(parking_lot::Mutex::new(door));
        let calls: Vec<_> = (0..CALLS_WAITING_MAX)
            .map(|_| {
                let (gate, door) = (gate.clone(), door.clone());
                let pass = move || {
                    // The test opens the door for all by dropping its end.
                    assert!(door.lock().recv().is_err());
                    Ok(())
                };
                tokio::spawn(async move { gate.run(pass).await })
            })
            .collect();
        while gate.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(gate.run(|| Ok(())).await, Err(ApiError::NotReady(_))));
        drop(open);
        for call in calls {
            assert!(call.await.expect("ran").is_ok());
        }
        assert_eq!(gate.run(|| Ok(())).await, Ok(()));
    }
}
