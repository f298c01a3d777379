//! Waiting for what a chain does in its own time, with a callback for progress.
//!
//! The node may be away for a while, restart or catch up: that is waited out like the rest, up to the deadline.

use std::time::Duration;

use cid::Cid;
use subnet_types::bytes::Digest;
use tokio::time::Instant;

use super::{Client, RpcError};
use crate::api::{CrossPosition, CrossStepInfo, MessageStage, MessageStatus};

/// How to wait.
#[derive(Clone, Copy, Debug)]
pub struct WaitOptions {
    /// When to give up.
    pub timeout: Duration,
    /// How often to ask.
    pub poll: Duration,
}

impl Default for WaitOptions {
    /// Two minutes, five questions a second: finality takes about a second, a checkpoint some blocks.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(120), poll: Duration::from_millis(200) }
    }
}

/// What a progress callback learns after each question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Time since the wait began.
    pub elapsed: Duration,
    /// Where it stands, in one word, or why the node could not say.
    pub stage: String,
}

/// Why waiting ended without the awaited.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WaitError {
    /// The deadline passed.
    #[error("{what} is still {stage:?} after {} s at {url}", .waited.as_secs())]
    Deadline {
        /// What was waited for.
        what: String,
        /// Where it stood last.
        stage: String,
        /// How long the wait lasted.
        waited: Duration,
        /// The node that was asked.
        url: String,
    },
    /// A question brought no result, and asking again will not help.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl Client {
    /// Waits until a message is in a final block.
    ///
    /// # Errors
    /// When the deadline passes or the node cannot be asked.
    pub async fn wait_message(
        &self,
        message: Cid,
        options: WaitOptions,
        mut progress: impl FnMut(&Waiting),
    ) -> Result<MessageStatus, WaitError> {
        let ask = || async move {
            let status = self.message_status(message).await?;
            Ok((status.stage.to_string(), (status.stage == MessageStage::Included).then_some(status)))
        };
        self.wait(format!("message {message}"), options, &mut progress, ask).await
    }

    /// Waits until this chain has delivered or refused the cross message `id` that left the chain at the other end of an
    /// edge at `from`. Another message with the same id is not taken for it.
    ///
    /// # Errors
    /// When the deadline passes or the node cannot be asked.
    pub async fn wait_cross(
        &self,
        id: Digest,
        from: &CrossPosition,
        options: WaitOptions,
        mut progress: impl FnMut(&Waiting),
    ) -> Result<CrossStepInfo, WaitError> {
        let ask = || async move {
            let arrival = self.cross_trace(id).await?.arrival(from).cloned();
            Ok(("on its way".to_owned(), arrival))
        };
        self.wait(format!("cross message {id}"), options, &mut progress, ask).await
    }

    /// Waits until this chain's last final block is at least `height`.
    ///
    /// # Errors
    /// When the deadline passes or the node cannot be asked.
    pub async fn wait_height(
        &self,
        height: subnet_types::Height,
        options: WaitOptions,
        mut progress: impl FnMut(&Waiting),
    ) -> Result<subnet_types::Height, WaitError> {
        let ask = || async move {
            let actual = self.info().await?.height;
            Ok((format!("at height {actual}"), (actual >= height).then_some(actual)))
        };
        self.wait(format!("height {height}"), options, &mut progress, ask).await
    }

    /// Asks until `ask` brings something. It answers where the matter stands, and the awaited once it is there.
    pub(crate) async fn wait<T, A>(
        &self,
        what: String,
        options: WaitOptions,
        progress: &mut impl FnMut(&Waiting),
        ask: impl Fn() -> A,
    ) -> Result<T, WaitError>
    where
        A: Future<Output = Result<(String, Option<T>), RpcError>>,
    {
        let start = Instant::now();
        loop {
            let stage = match ask().await {
                Ok((_, Some(found))) => return Ok(found),
                Ok((stage, None)) => stage,
                Err(error) if error.is_retryable() => error.to_string(),
                Err(error) => return Err(error.into()),
            };
            let elapsed = start.elapsed();
            if elapsed >= options.timeout {
                return Err(WaitError::Deadline { what, stage, waited: elapsed, url: self.url().to_owned() });
            }
            progress(&Waiting { elapsed, stage });
            tokio::time::sleep(options.poll).await;
        }
    }
}
