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

    /// Records of lanes that `model` simulates: what one lane of ours was measured to take beside the stock executor,
    /// made shorter as the model says. None if one lane is not among the entrants.
    pub fn simulated(&self, entrants: &[Entrant], rounds: &[Round], model: &Model) -> Vec<Record> {
        let Some(one) = entrants.iter().position(|entrant| lanes(*entrant) == Some(1)) else { return Vec::new() };
        let record = |lanes: usize, contention: Option<f64>| {
            let speed_up = model.speed_up(lanes, contention.unwrap_or(1.0));
            let exec = |cost: &Cost| cost.exec.as_secs_f64() / speed_up;
            let total = |cost: &Cost| exec(cost) + cost.flush.as_secs_f64() * model.flush_share(lanes);
            let values = |value: &dyn Fn(&Cost, &Cost) -> f64| -> Vec<f64> {
                rounds.iter().map(|round| value(&round[0], &round[one])).collect()
            };
            let ratio_exec = Estimate::of(&values(&|stock, ours| ratio(stock.exec.as_secs_f64(), exec(ours))))?;
            let ratio_with_flush = median(&values(&|stock, ours| ratio(stock.total().as_secs_f64(), total(ours))))?;
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
                ratio_with_flush: rounded(ratio_with_flush, 3),
                ci95_low: rounded(ratio_exec.low, 3),
                ci95_high: rounded(ratio_exec.high, 3),
                efficiency: Some(rounded(speed_up / lanes as f64, 3)),
                us_per_message: rounded(median(&values(&|_, ours| exec(ours)))? * 1e6 / self.messages, 2),
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

    use crate::simulate::{FlushCost, Job};
    use crate::workload::{Shape, Size, World};

    fn ours(lanes: usize) -> Entrant {
        Entrant::Ours { lanes: NonZeroUsize::new(lanes).unwrap() }
    }

    fn cost(exec_ms: u64, flush_ms: u64) -> Cost {
        let [exec, flush] = [exec_ms, flush_ms].map(Duration::from_millis);
        Cost { exec, flush, cpu: exec + flush, peak_rss_mb: exec_ms as f64, ..Cost::default() }
    }

    // One lane is measured while the machine does something else, too; the model's times are not touched by that.
    #[test]
    fn simulated_lanes_shorten_what_one_lane_was_measured_to_take() {
        let size = Size { messages: 10, seed: 1 };
        let workload = Workload::new(Shape::HotReceiver, &World::new(20).unwrap(), size).unwrap();
        let model = Model {
            jobs: (0..10).map(|group| Job { seconds: 0.001, group }).collect(),
            plain_seconds: 0.008,
            commit_seconds: 0.0,
            flush: FlushCost::of(0.010, 0.005),
            contention: 1.5,
        };
        let rounds = [vec![cost(2_000, 500), cost(1_000, 400)]];
        let records = Subject::new(&workload, Warmth::Warm).simulated(&[Entrant::Stock, ours(1)], &rounds, &model);
        let lanes: Vec<_> = records.iter().map(|record| record.lanes).collect();
        assert_eq!(lanes, [4, 4, 8, 8, 16, 16]);
        // Three of ten messages, one after another, on the longest of four lanes: 8 / 3 times as fast.
        assert_eq!((records[0].ratio_exec, records[0].ratio_with_flush), (5.333, 5.263));
        assert_eq!((records[0].efficiency, records[1].ratio_exec), (Some(0.667), 3.556));
        assert!(records.iter().all(|record| record.simulated && record.efficiency.unwrap() <= 1.0));
        assert!(
            Subject::new(&workload, Warmth::Warm).simulated(&[Entrant::Stock, ours(2)], &rounds, &model).is_empty()
        );
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
