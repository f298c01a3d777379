//! Several parent nodes as one: the next is asked when one fails.
//!
//! An endpoint is used only once it has said that it belongs to the parent named in genesis. That is no proof (what
//! it answers is checked elsewhere) but tells a wrong address from a missing subnet.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use client::Client;
use client::rpc::{ClientOptions, RpcError};
use futures::future::BoxFuture;
use subnet_types::ChainIdentity;

use super::api::{ParentApi, ParentFacts};
use crate::config::ParentConfig;
use crate::metrics::ParentMetrics;

/// Why no endpoint answered.
#[derive(Debug, thiserror::Error)]
pub enum ParentError {
    /// None is configured.
    #[error(
        "no parent endpoint is configured: set parent.endpoints in config.toml, or checkpoint.is_submitter to false \
         where others submit checkpoints and files bring the parent's news"
    )]
    None,
    /// Belongs to another chain.
    #[error("{url} belongs to chain {actual}, the parent named in genesis is {expected}")]
    WrongChain {
        /// Which endpoint.
        url: String,
        /// The parent's identity.
        expected: ChainIdentity,
        /// What the endpoint says.
        actual: ChainIdentity,
    },
    /// The call brought no result.
    #[error(transparent)]
    Call(#[from] RpcError),
}

impl ParentError {
    /// Whether the endpoint answered and the answer is about the request, so that asking another one is pointless.
    fn is_answer(&self) -> bool {
        use client::api::ApiError;
        matches!(
            self,
            Self::Call(RpcError::Refused {
                error: ApiError::InvalidParams(_) | ApiError::NotFound(_) | ApiError::Rejected { .. },
                ..
            })
        )
    }
}

/// All configured parent nodes.
pub struct Endpoints {
    parent: ChainIdentity,
    endpoints: Vec<Endpoint>,
    current: AtomicUsize,
    metrics: ParentMetrics,
}

struct Endpoint {
    api: Box<dyn ParentApi>,
    is_checked: AtomicBool,
    is_failing: AtomicBool,
}

impl Endpoints {
    /// The endpoints of a configuration.
    ///
    /// # Errors
    /// When an address is unusable.
    pub fn connect(config: &ParentConfig, parent: ChainIdentity, metrics: ParentMetrics) -> Result<Self, ParentError> {
        let options = ClientOptions { timeout: Duration::from_millis(config.timeout_ms), ..ClientOptions::default() };
        let apis = config
            .endpoints
            .iter()
            .map(|url| Ok(Box::new(Client::connect_with(url, options)?) as Box<dyn ParentApi>))
            .collect::<Result<Vec<_>, ParentError>>()?;
        Ok(Self::new(apis, parent, metrics))
    }

    /// These nodes.
    pub fn new(apis: Vec<Box<dyn ParentApi>>, parent: ChainIdentity, metrics: ParentMetrics) -> Self {
        let endpoints = apis
            .into_iter()
            .map(|api| Endpoint { api, is_checked: AtomicBool::new(false), is_failing: AtomicBool::new(false) })
            .collect();
        Self { parent, endpoints, current: AtomicUsize::new(0), metrics }
    }

    /// What the parent's nodes say of themselves.
    ///
    /// # Errors
    /// When none answers.
    pub async fn facts(&self) -> Result<ParentFacts, ParentError> {
        self.ask("facts", |api| Box::pin(api.facts())).await
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Address of one of them.
    pub fn url(&self, index: usize) -> &str {
        self.endpoints[index].api.url()
    }

    /// Asks one of them.
    ///
    /// # Errors
    /// Why it did not answer, or the answer itself when it is a refusal.
    pub async fn ask_one<T>(
        &self,
        index: usize,
        what: &'static str,
        call: impl for<'a> Fn(&'a dyn ParentApi) -> BoxFuture<'a, Result<T, RpcError>>,
    ) -> Result<T, ParentError> {
        let endpoint = &self.endpoints[index];
        match self.call(endpoint, &call).await {
            Ok(answer) => {
                self.answered(endpoint);
                Ok(answer)
            }
            Err(error) if error.is_answer() => {
                self.answered(endpoint);
                Err(error)
            }
            Err(error) => {
                self.metrics.read("failed");
                // Once for each outage: a parent that is down for an hour is one event, not thousands.
                if !endpoint.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(endpoint = endpoint.api.url(), what, reason = %error, "parent endpoint failed");
                }
                Err(error)
            }
        }
    }

    /// Asks one endpoint after the other, beginning with the one that answered last.
    ///
    /// # Errors
    /// The last failure, when none answers; the answer itself when it is a refusal.
    pub async fn ask<T>(
        &self,
        what: &'static str,
        call: impl for<'a> Fn(&'a dyn ParentApi) -> BoxFuture<'a, Result<T, RpcError>>,
    ) -> Result<T, ParentError> {
        let first = self.current.load(Ordering::Relaxed);
        let mut failure = ParentError::None;
        for offset in 0..self.endpoints.len() {
            let index = (first + offset) % self.endpoints.len();
            match self.ask_one(index, what, &call).await {
                Ok(answer) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) if error.is_answer() => return Err(error),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn call<T>(
        &self,
        endpoint: &Endpoint,
        call: &impl for<'a> Fn(&'a dyn ParentApi) -> BoxFuture<'a, Result<T, RpcError>>,
    ) -> Result<T, ParentError> {
        if !endpoint.is_checked.load(Ordering::Relaxed) {
            let actual = endpoint.api.facts().await?.identity;
            if actual != self.parent {
                let url = endpoint.api.url().to_owned();
                return Err(ParentError::WrongChain { url, expected: self.parent, actual });
            }
            endpoint.is_checked.store(true, Ordering::Relaxed);
        }
        let answer = call(endpoint.api.as_ref()).await;
        if answer.as_ref().is_err_and(RpcError::is_unreachable) {
            // Whoever answers at this address next may be another node.
            endpoint.is_checked.store(false, Ordering::Relaxed);
        }
        Ok(answer?)
    }

    fn answered(&self, endpoint: &Endpoint) {
        self.metrics.read("answered");
        if endpoint.is_failing.swap(false, Ordering::Relaxed) {
            tracing::info!(endpoint = endpoint.api.url(), "parent endpoint answers again");
        }
    }
}
