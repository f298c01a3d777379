//! From what blocks have cost to what is reported.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde_json::{Value, json};

use crate::contender::Entrant;
use crate::measure::{Cost, Round, Warmth};
use crate::report::Record;
use crate::simulate::{LANES, Model};
use crate::statistics::{Estimate, median};
use crate::workload::Workload;

/// What the records of one measurement have in common.
pub struct Subject {
    workload: &'static str,
    params: BTreeMap<String, Value>,
    messages: f64,
}

impl Subject {
    /// A workload and how it was measured.
    pub fn new(workload: &Workload, warmth: Warmth) -> Self {
        let size = workload.size();
        let mut params = workload.shape().params(size.messages);
        params.insert("baseline".to_owned(), json!(warmth.as_str()));
        params.insert("messages".to_owned(), json!(size.messages));
        params.insert("actors".to_owned(), json!(workload.world.accounts()));
        params.insert("seed".to_owned(), json!(size.seed));
        Self { workload: workload.shape().name().as_str(), params, messages: size.messages as f64 }
    }

    /// A record of ours for each entrant but the first, which is the stock executor.
    pub fn records(&self, entrants: &[Entrant], rounds: &[Round]) -> Vec<Record> {
        let one_lane = entrants.iter().position(|entrant| *entrant == Entrant::Ours { lanes: NonZeroUsize::MIN });
        let record = |(index, entrant): (usize, &Entrant)| {
            let lanes = lanes(*entrant)?;
            let pairs = |value: &dyn Fn(&Cost, &Cost) -> f64| -> Vec<f64> {
                rounds.iter().map(|round| value(&round[0], &round[index])).collect()
            };
            let exec = Estimate::of(&pairs(&|stock, ours| ratio(stock.exec.as_secs_f64(), ours.exec.as_secs_f64())))?;
            let total = median(&pairs(&|stock, ours| ratio(stock.total().as_secs_f64(), ours.total().as_secs_f64())))?;
            let cpu = median(&pairs(&|stock, ours| ratio(ours.cpu.as_secs_f64(), stock.cpu.as_secs_f64())))?;
            let micros = |value: &dyn Fn(&Cost) -> Duration, index: usize| {
                let times: Vec<_> = rounds.iter().map(|round| value(&round[index]).as_secs_f64()).collect();
                median(&times).map(|seconds| seconds * 1e6 / self.messages)
            };
            let efficiency = one_lane.and_then(|one| {
                let gain = |round: &Round| ratio(round[one].exec.as_secs_f64(), round[index].exec.as_secs_f64());
                Some(median(&rounds.iter().map(gain).collect::<Vec<_>>())? / lanes as f64)
            });
            let mut params = self.params.clone();
            params.insert("pairs".to_owned(), json!(rounds.len()));
            if matches!(entrant, Entrant::Validator { .. }) {
                params.insert("mode".to_owned(), json!("validator"));
            }
            params.insert("stock_us_per_message".to_owned(), json!(rounded(micros(&|cost| cost.exec, 0)?, 1)));
            params.insert("stock_flush_us_per_message".to_owned(), json!(rounded(micros(&|cost| cost.flush, 0)?, 1)));
            params.insert("flush_us_per_message".to_owned(), json!(rounded(micros(&|cost| cost.flush, index)?, 1)));
            let count = |value: &dyn Fn(&Cost) -> u64| {
                median(&rounds.iter().map(|round| value(&round[index]) as f64).collect::<Vec<_>>())
            };
            Some(Record {
                workload: self.workload,
                params,
                lanes,
                ratio_exec: rounded(exec.median, 3),
                ratio_with_flush: rounded(total, 3),
                ci95_low: rounded(exec.low, 3),
                ci95_high: rounded(exec.high, 3),
                efficiency: efficiency.map(|value| rounded(value, 3)),
                us_per_message: rounded(micros(&|cost| cost.exec, index)?, 2),
                conflicts: count(&|cost| cost.counters.conflicts)?,
                reexecutions: count(&|cost| cost.counters.reexecutions)?,
                cpu_seconds_ratio: Some(rounded(cpu, 3)),
                peak_rss_mb: rounds
                    .iter()
                    .map(|round| round[index].peak_rss_mb)
                    .reduce(f64::max)
                    .map(|mb| rounded(mb, 1)),
                simulated: false,
            })
        };
        entrants.iter().enumerate().skip(1).filter_map(record).collect()
    }

    /// Records of lanes that `model` simulates, beside what the stock executor and one lane of ours really took.
    pub fn simulated(&self, entrants: &[Entrant], rounds: &[Round], model: &Model) -> Vec<Record> {
        let seconds = |entrant: Entrant, value: fn(&Cost) -> Duration| -> Vec<f64> {
            let index = entrants.iter().position(|known| *known == entrant);
            let costs = rounds.iter().filter_map(|round| round.get(index?));
            costs.map(|cost| value(cost).as_secs_f64()).collect()
        };
        let one_lane = median(&seconds(Entrant::Ours { lanes: NonZeroUsize::MIN }, |cost| cost.exec));
        let record = |lanes: usize, contention: Option<f64>| {
            let parallel = model.exec_seconds(lanes, contention.unwrap_or(1.0));
            // The gate: what lanes would not make faster runs on one, unrecorded.
            let exec = one_lane.map_or(parallel, |one_lane| parallel.min(one_lane));
            let total = exec + model.flush_seconds(lanes);
            let against = |value: fn(&Cost) -> Duration, ours: f64| {
                Estimate::of(
                    &seconds(Entrant::Stock, value).iter().map(|stock| ratio(*stock, ours)).collect::<Vec<_>>(),
                )
            };
            let ratio_exec = against(|cost| cost.exec, exec)?;
            let mut params = self.params.clone();
            params.insert("pairs".to_owned(), json!(rounds.len()));
            params.insert("contention".to_owned(), json!(rounded(contention.unwrap_or(1.0), 2)));
            params.insert("commit_us_per_message".to_owned(), json!(rounded(model.commit_us(), 2)));
            params.insert("groups".to_owned(), json!(model.groups()));
            params.insert("predictions".to_owned(), json!("right"));
            Some(Record {
                workload: self.workload,
                params,
                lanes,
                ratio_exec: rounded(ratio_exec.median, 3),
                ratio_with_flush: rounded(against(Cost::total, total)?.median, 3),
                ci95_low: rounded(ratio_exec.low, 3),
                ci95_high: rounded(ratio_exec.high, 3),
                efficiency: one_lane.map(|one_lane| rounded(one_lane / exec / lanes as f64, 3)),
                us_per_message: rounded(exec * 1e6 / self.messages, 2),
                conflicts: 0.0,
                reexecutions: 0.0,
                cpu_seconds_ratio: None,
                peak_rss_mb: None,
                simulated: true,
            })
        };
        let cases = LANES.iter().flat_map(|lanes| [(*lanes, None), (*lanes, Some(model.contention))]);
        cases.filter_map(|(lanes, contention)| record(lanes, contention)).collect()
    }
}

fn lanes(entrant: Entrant) -> Option<usize> {
    match entrant {
        Entrant::Stock => None,
        Entrant::Ours { lanes } | Entrant::Validator { lanes } => Some(lanes.get()),
    }
}

fn ratio(dividend: f64, divisor: f64) -> f64 {
    dividend / divisor.max(f64::MIN_POSITIVE)
}

/// To so many digits after the point.
pub fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Shape, Size, World};

    fn ours(lanes: usize) -> Entrant {
        Entrant::Ours { lanes: NonZeroUsize::new(lanes).unwrap() }
    }

    fn cost(exec_ms: u64, flush_ms: u64) -> Cost {
        let [exec, flush] = [exec_ms, flush_ms].map(Duration::from_millis);
        Cost { exec, flush, cpu: exec + flush, peak_rss_mb: exec_ms as f64, ..Cost::default() }
    }

    #[test]
    fn ratios_are_of_pairs_and_efficiency_is_of_lanes() {
        let size = Size { messages: 10, seed: 1 };
        let workload = Workload::new(Shape::HotSender, &World::new(20).unwrap(), size).unwrap();
        let entrants = [Entrant::Stock, ours(1), ours(2)];
        // The middle pair decides, although another round was slow for everybody.
        let rounds = [
            vec![cost(100, 20), cost(50, 10), cost(25, 5)],
            vec![cost(1_000, 200), cost(500, 100), cost(250, 50)],
            vec![cost(120, 0), cost(50, 10), cost(40, 10)],
        ];
        let records = Subject::new(&workload, Warmth::Cold).records(&entrants, &rounds);
        let [one, two] = &records[..] else { panic!("{records:?}") };
        assert_eq!((one.lanes, one.ratio_exec, one.ratio_with_flush), (1, 2.0, 2.0));
        assert_eq!((one.efficiency, two.efficiency), (Some(1.0), Some(1.0)));
        assert_eq!((two.ratio_exec, two.ci95_low, two.ci95_high), (4.0, 3.0, 4.0));
        assert_eq!((one.us_per_message, two.us_per_message), (5_000.0, 4_000.0));
        assert_eq!((one.cpu_seconds_ratio, one.peak_rss_mb), (Some(0.5), Some(500.0)));
        assert_eq!(one.params["baseline"], "cold");
        assert_eq!(one.params["pairs"], 3);
    }
}
