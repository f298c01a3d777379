//! `doctor`: checks a node from settings to state, and says what to do about each problem.

mod clock;
mod funds;
mod local;
mod network;
mod state;
pub(super) mod supply;

use serde::Serialize;

use super::context::Context;
use super::error::CliError;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Good,
    /// Works, but somebody should know.
    Warning,
    Bad,
    /// Could not be checked, for the reason given.
    Skipped,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    name: &'static str,
    verdict: Verdict,
    finding: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    fn good(name: &'static str, finding: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Good, finding: finding.into(), advice: None }
    }

    fn skipped(name: &'static str, finding: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Skipped, finding: finding.into(), advice: None }
    }

    fn warning(name: &'static str, finding: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warning, finding: finding.into(), advice: Some(advice.into()) }
    }

    fn bad(name: &'static str, finding: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Bad, finding: finding.into(), advice: Some(advice.into()) }
    }

    fn text(&self) -> String {
        let word = match self.verdict {
            Verdict::Good => "ok",
            Verdict::Warning => "warning",
            Verdict::Bad => "FAILED",
            Verdict::Skipped => "skipped",
        };
        let line = format!("{word:<8} {:<11} {}", self.name, self.finding);
        match &self.advice {
            Some(advice) => format!("{line}\n{:<20} → {advice}", ""),
            None => line,
        }
    }
}

#[derive(Serialize)]
struct Diagnosis {
    ok: bool,
    checks: Vec<Check>,
}

/// Runs every check that the earlier ones leave possible.
pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    let home = &context.home;
    let mut checks = Vec::new();
    let config = local::config(home, &mut checks);
    let genesis = local::genesis(home, &mut checks);
    local::keys(home, config.as_ref(), genesis.as_ref(), &mut checks);
    local::passwords(home, context.password_given(config.as_ref()), &mut checks);
    local::disk(home, &mut checks);
    let mut is_running = false;
    if let Some(config) = &config {
        is_running = network::node(config, genesis.as_ref(), &mut checks).await;
        local::ports(config, is_running, &mut checks);
        if let Some(genesis) = &genesis {
            network::parent(config, genesis, &mut checks).await;
            funds::check(home, config, genesis, &mut checks).await;
        }
    }
    clock::conclude(&mut checks);
    if let Some(genesis) = &genesis {
        state::check(home, genesis, is_running, &mut checks);
    }
    let diagnosis = Diagnosis { ok: checks.iter().all(|check| check.verdict != Verdict::Bad), checks };
    context.output.result(&diagnosis, || diagnosis.checks.iter().map(Check::text).collect::<Vec<_>>().join("\n"));
    if diagnosis.ok {
        return Ok(());
    }
    let bad = diagnosis.checks.iter().filter(|check| check.verdict == Verdict::Bad).count();
    Err(CliError::reported(format!("{bad} of {} checks failed", diagnosis.checks.len())))
}
