//! What a process costs, as the kernel counts it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// Processor time of a process, user and system together. The kernel counts it in hundredths of a second.
pub(crate) fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name, in parentheses, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Processor time of this thread, to the nanosecond.
pub(crate) fn thread_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Processor time of this process so far, by the names of its threads. Of threads that have ended nothing is known.
pub(crate) fn cpu_by_thread() -> BTreeMap<String, Duration> {
    let mut all = BTreeMap::new();
    for thread in std::fs::read_dir("/proc/self/task").unwrap() {
        let thread = thread.unwrap().path();
        // It may have ended by now.
        let Ok(name) = std::fs::read_to_string(thread.join("comm")) else { continue };
        let Ok(times) = std::fs::read_to_string(thread.join("schedstat")) else { continue };
        let nanoseconds = times.split_whitespace().next().unwrap().parse().unwrap();
        *all.entry(name.trim_end().to_owned()).or_default() += Duration::from_nanos(nanoseconds);
    }
    all
}

/// A line of `/proc/PID/status` that counts KiB, in MiB: `VmRSS` now, `VmHWM` at most so far.
pub(crate) fn memory_mib(pid: u32, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let found = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':')?.split_whitespace().next());
    found.unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Bytes of all files in a folder and below.
pub(crate) fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let size = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => bytes_in(&entry.path()),
        false => entry.metadata().unwrap().len(),
    };
    entries.map(size).sum()
}
