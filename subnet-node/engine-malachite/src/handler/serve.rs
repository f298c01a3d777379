//! Decided blocks for peers that fell behind.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arc_malachitebft_app_channel::Reply;
use arc_malachitebft_app_channel::app::types::sync::RawDecidedValue;
use engine_api::{AppFailure, SubnetApp};
use subnet_types::Height;
use subnet_types::limits::SYNC_RESPONSE_BYTES_MAX;

use super::{Handler, State};
use crate::certificate;
use crate::codec::decided_len;
use crate::config::SYNC_BATCH;
use crate::context::{At, Chain};
use crate::failure::Failure;

/// Bytes of a response besides its values.
const RESPONSE_FRAME_BYTES: usize = 64;

impl Handler {
    /// The lowest height peers can have from us.
    pub(super) async fn history_min(&self) -> Result<At, Failure> {
        Ok(At::from(self.app.status().await.map_err(Failure::liveness)?.history_min))
    }

    /// Answers with as many heights of the range as we have and a response holds, in a task.
    pub(super) fn decided_values(
        &self,
        state: &mut State,
        range: RangeInclusive<At>,
        reply: Reply<Vec<RawDecidedValue<Chain>>>,
    ) {
        let app = self.app.clone();
        state.tasks.spawn(async move {
            reply.send(read(&app, &range).await.map_err(Failure::liveness)?).ok();
            Ok(())
        });
    }
}

async fn read(app: &Arc<dyn SubnetApp>, range: &RangeInclusive<At>) -> Result<Vec<RawDecidedValue<Chain>>, AppFailure> {
    let status = app.status().await?;
    let first = range.start().height();
    let last = range.end().height().min(status.committed);
    let mut values = Vec::new();
    let mut bytes = RESPONSE_FRAME_BYTES;
    let mut height = first;
    while height <= last && height >= status.history_min && height > Height::GENESIS && values.len() < SYNC_BATCH {
        let Some(decided) = app.decided(height).await? else { break };
        let value = RawDecidedValue::new(
            proto::block::encode(&decided.block.header, &decided.block.payload),
            certificate::extended(&decided.certificate, decided.extensions),
        );
        bytes += decided_len(&value);
        if bytes > SYNC_RESPONSE_BYTES_MAX {
            break;
        }
        values.push(value);
        height = height.next();
    }
    Ok(values)
}
