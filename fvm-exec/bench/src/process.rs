//! What this process uses of the machine.

use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Processor time that all threads of the process have used, those that have ended too.
pub fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Lets [`peak_rss_mb`] begin anew, where the kernel lets it; otherwise the peak stays that of the whole run.
pub fn reset_peak_rss() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that the process has had resident since the last reset, in megabytes of a million bytes. `None`
/// where the kernel does not say.
pub fn peak_rss_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024.0 / 1e6)
}

/// Lets this thread and those that it starts sleep as short as they ask, where the kernel lets it; otherwise a slow
/// store is slower than it says by about 50 µs.
pub fn sleep_precisely() {
    let _ = nix::sys::prctl::set_timerslack(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_uses_processor_time_and_sleep_does_not() {
        let before = cpu_time();
        std::thread::sleep(Duration::from_millis(50));
        let slept = cpu_time() - before;
        let mut sum = 0u64;
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(300) {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
        }
        let worked = cpu_time() - before - slept;
        assert!(worked > slept, "{worked:?} at work, {slept:?} asleep");
    }

    #[test]
    fn peak_memory_is_at_least_what_was_written() {
        let bytes = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(peak_rss_mb().unwrap() >= 64.0);
        drop(bytes);
    }
}
