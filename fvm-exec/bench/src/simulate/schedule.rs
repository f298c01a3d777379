//! When lanes would be done.

/// The cost of one message, in seconds, and the group that runs it: messages of a group run one after another.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// On a lane.
    pub seconds: f64,
    /// Any number, the same for all of the group.
    pub group: usize,
}

/// How long `lanes` lanes take for the jobs of a block.
///
/// Groups go to lanes whole, the longest first, each to the lane with the least to do; a lane keeps the order of the
/// block. One thread commits results in the order of the block as they come, each in `commit_seconds`. Whatever the
/// order, no more is done at a time than there are lanes.
pub fn makespan(jobs: &[Job], lanes: usize, commit_seconds: f64) -> f64 {
    let lanes = lanes.max(1);
    let lane_of = assign(jobs, lanes);
    let mut lane_ends = vec![0.0; lanes];
    let mut committed: f64 = 0.0;
    for job in jobs {
        let end = &mut lane_ends[lane_of[job.group]];
        *end += job.seconds;
        committed = committed.max(*end) + commit_seconds;
    }
    let work: f64 = jobs.iter().map(|job| job.seconds + commit_seconds).sum();
    committed.max(work / lanes as f64)
}

/// The lane of each group, by its number.
fn assign(jobs: &[Job], lanes: usize) -> Vec<usize> {
    let groups = jobs.iter().map(|job| job.group + 1).max().unwrap_or_default();
    let mut lengths = vec![0.0; groups];
    jobs.iter().for_each(|job| lengths[job.group] += job.seconds);
    let mut order: Vec<usize> = (0..groups).collect();
    order.sort_by(|one, other| lengths[*other].total_cmp(&lengths[*one]));
    let (mut loads, mut lane_of) = (vec![0.0; lanes], vec![0; groups]);
    for group in order {
        let least = (0..lanes).min_by(|one, other| f64::total_cmp(&loads[*one], &loads[*other])).unwrap_or_default();
        loads[least] += lengths[group];
        lane_of[group] = least;
    }
    lane_of
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(jobs: &[(f64, usize)]) -> Vec<Job> {
        jobs.iter().map(|(seconds, group)| Job { seconds: *seconds, group: *group }).collect()
    }

    #[test]
    fn independent_jobs_share_the_lanes_and_a_chain_does_not() {
        let apart = jobs(&[(1.0, 0), (1.0, 1), (1.0, 2), (1.0, 3)]);
        let chain = jobs(&[(1.0, 0), (1.0, 0), (1.0, 0), (1.0, 0)]);
        for (lanes, expected) in [(1, 4.0), (2, 2.0), (3, 2.0), (4, 1.0), (16, 1.0)] {
            assert_eq!(makespan(&apart, lanes, 0.0), expected, "{lanes} lanes");
            assert_eq!(makespan(&chain, lanes, 0.0), 4.0, "{lanes} lanes");
        }
        assert_eq!(makespan(&[], 4, 1.0), 0.0);
    }

    #[test]
    fn longest_groups_go_first_and_to_the_lane_with_the_least() {
        // 5 | 3 + 2, where the order of the block would give 2 + 5 | 3.
        assert_eq!(makespan(&jobs(&[(2.0, 0), (3.0, 1), (5.0, 2)]), 2, 0.0), 5.0);
    }

    #[test]
    fn commits_wait_for_results_and_for_each_other() {
        // All results are there after 1; four commits of 0.5 follow, or run beside what comes later.
        assert_eq!(makespan(&jobs(&[(1.0, 0), (1.0, 1), (1.0, 2), (1.0, 3)]), 4, 0.5), 3.0);
        assert_eq!(makespan(&jobs(&[(1.0, 0), (1.0, 0), (1.0, 0), (1.0, 0)]), 2, 0.5), 4.5);
        // One lane commits in its own time.
        assert_eq!(makespan(&jobs(&[(1.0, 0), (1.0, 0)]), 1, 0.5), 3.0);
    }
}
