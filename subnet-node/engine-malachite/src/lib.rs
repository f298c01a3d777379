//! Tendermint consensus (Malachite) behind the engine interface.

use std::sync::Arc;

use async_trait::async_trait;
use engine_api::{ConsensusEngine, EngineConfig, EngineError, EngineKeys, RunningEngine, SubnetApp};

/// Tendermint consensus in this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct MalachiteEngine;

#[async_trait]
impl ConsensusEngine for MalachiteEngine {
    async fn start(
        &self,
        _app: Arc<dyn SubnetApp>,
        _keys: EngineKeys,
        _config: EngineConfig,
    ) -> Result<Box<dyn RunningEngine>, EngineError> {
        Err(EngineError::Start("the engine is being written".to_owned()))
    }
}
