//! Several nodes of one chain: all are asked, and one that fails rests for a while as long as others do not.
//!
//! An endpoint is used only once it has said that it belongs to the chain that it is named for. That is no proof (what
//! it answers is checked elsewhere) but tells a wrong address from a missing subnet.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use client::Client;
use client::rpc::{ClientOptions, RpcError};
use futures::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use subnet_types::ChainIdentity;
use tokio::time::Instant;

use super::api::{ParentApi, PeerApi, ProofApi};
use crate::config::ParentConfig;
use crate::metrics::ParentMetrics;

/// How long an endpoint rests after its first failure in a row; twice as long after each further one.
const REST_MIN: Duration = Duration::from_secs(1);
/// How long at most.
const REST_MAX: Duration = Duration::from_secs(30);

/// Why no endpoint answered.
#[derive(Debug, thiserror::Error)]
pub enum ParentError {
    /// None is configured.
    #[error(
        "no parent endpoint is configured: set parent.endpoints in config.toml, or checkpoint.is_submitter to false \
         where others submit checkpoints and peers or files bring the parent's news"
    )]
    None,
    /// Belongs to another chain.
    #[error("{url} belongs to chain {actual}, expected {expected}")]
    WrongChain {
        /// Which endpoint.
        url: String,
        /// The chain's identity.
        expected: ChainIdentity,
        /// What the endpoint says.
        actual: ChainIdentity,
    },
    /// The call brought no result.
    #[error(transparent)]
    Call(#[from] RpcError),
}

impl ParentError {
    /// Whether the endpoint answered, and the answer is a refusal.
    fn is_answer(&self) -> bool {
        use client::api::ApiError;
        matches!(
            self,
            Self::Call(RpcError::Refused {
                error: ApiError::InvalidParams(_)
                    | ApiError::NotFound(_)
                    | ApiError::NotReady(_)
                    | ApiError::Rejected { .. },
                ..
            })
        )
    }

    /// Whether the endpoint says that what was asked for does not exist.
    pub(super) fn is_not_found(&self) -> bool {
        use client::api::ApiError;
        matches!(self, Self::Call(RpcError::Refused { error: ApiError::NotFound(_), .. }))
    }
}

/// All configured nodes of one chain: of the parent, or of this chain.
pub struct Endpoints<A: ?Sized = dyn ParentApi> {
    identity: ChainIdentity,
    endpoints: Vec<Endpoint<A>>,
    metrics: ParentMetrics,
}

struct Endpoint<A: ?Sized> {
    api: Box<A>,
    is_checked: AtomicBool,
    outage: Mutex<Outage>,
}

/// Failures of one endpoint in a row.
#[derive(Default)]
struct Outage {
    failures: u32,
    rests_until: Option<Instant>,
}

impl Endpoints {
    /// The parent's endpoints in a configuration.
    ///
    /// # Errors
    /// When an address is unusable.
    pub fn connect(config: &ParentConfig, parent: ChainIdentity, metrics: ParentMetrics) -> Result<Self, ParentError> {
        let clients = clients(&config.endpoints, config)?;
        let apis = clients.map(|client| Box::new(client) as Box<dyn ParentApi>);
        Ok(Self::new(apis.collect(), parent, metrics))
    }
}

impl Endpoints<dyn ProofApi> {
    /// Nodes of this chain in a configuration.
    ///
    /// # Errors
    /// When an address is unusable.
    pub fn peers(config: &ParentConfig, own: ChainIdentity, metrics: ParentMetrics) -> Result<Self, ParentError> {
        let apis = clients(&config.peers, config)?.map(|client| Box::new(PeerApi(client)) as Box<dyn ProofApi>);
        Ok(Self::new(apis.collect(), own, metrics))
    }
}

fn clients(urls: &[String], config: &ParentConfig) -> Result<impl Iterator<Item = Client>, ParentError> {
    let options = ClientOptions { timeout: Duration::from_millis(config.timeout_ms), ..ClientOptions::default() };
    let clients = urls.iter().map(|url| Client::connect_with(url, options)).collect::<Result<Vec<_>, _>>()?;
    Ok(clients.into_iter())
}

impl<A: ProofApi + ?Sized> Endpoints<A> {
    /// These nodes.
    pub fn new(apis: Vec<Box<A>>, identity: ChainIdentity, metrics: ParentMetrics) -> Self {
        let endpoints = apis
            .into_iter()
            .map(|api| Endpoint { api, is_checked: AtomicBool::new(false), outage: Mutex::default() })
            .collect();
        Self { identity, endpoints, metrics }
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

    /// Whether one of them failed just now.
    pub fn rests(&self, index: usize) -> bool {
        let now = Instant::now();
        self.endpoints[index].outage.lock().rests_until.is_some_and(|until| until > now)
    }

    /// Asks one of them.
    ///
    /// # Errors
    /// Why it did not answer, or the answer itself when it is a refusal.
    pub async fn ask_one<T>(
        &self,
        index: usize,
        what: &'static str,
        call: impl for<'a> Fn(&'a A) -> BoxFuture<'a, Result<T, RpcError>>,
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
                self.failed(endpoint, what, &error);
                Err(error)
            }
        }
    }

    /// Asks all of them at once, but for those that rest while others do not.
    pub async fn ask_all<T>(
        &self,
        what: &'static str,
        call: impl for<'a> Fn(&'a A) -> BoxFuture<'a, Result<T, RpcError>>,
    ) -> Vec<(usize, Result<T, ParentError>)> {
        let mut asked: Vec<usize> = (0..self.len()).filter(|index| !self.rests(*index)).collect();
        if asked.is_empty() {
            asked = (0..self.len()).collect();
        }
        let call = &call;
        join_all(asked.into_iter().map(|index| async move { (index, self.ask_one(index, what, call).await) })).await
    }

    async fn call<T>(
        &self,
        endpoint: &Endpoint<A>,
        call: &impl for<'a> Fn(&'a A) -> BoxFuture<'a, Result<T, RpcError>>,
    ) -> Result<T, ParentError> {
        if !endpoint.is_checked.load(Ordering::Relaxed) {
            let actual = endpoint.api.facts().await?.identity;
            if actual != self.identity {
                let url = endpoint.api.url().to_owned();
                return Err(ParentError::WrongChain { url, expected: self.identity, actual });
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

    fn answered(&self, endpoint: &Endpoint<A>) {
        self.metrics.read("answered");
        if std::mem::take(&mut *endpoint.outage.lock()).failures > 0 {
            tracing::info!(endpoint = endpoint.api.url(), "endpoint answers again");
        }
    }

    fn failed(&self, endpoint: &Endpoint<A>, what: &'static str, error: &ParentError) {
        self.metrics.read("failed");
        let mut outage = endpoint.outage.lock();
        // Once for each outage: a node that is down for an hour is one event, not thousands.
        if outage.failures == 0 {
            tracing::warn!(endpoint = endpoint.api.url(), what, reason = %error, "endpoint failed");
        }
        let rest = REST_MIN.saturating_mul(1 << outage.failures.min(5)).min(REST_MAX);
        outage.failures = outage.failures.saturating_add(1);
        outage.rests_until = Some(Instant::now() + rest);
    }
}
