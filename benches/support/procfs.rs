//! What the kernel knows of a process and its children: CPU time, sleeps, memory.

use std::fs;
use std::time::{Duration, Instant};

use super::Result;

/// What the threads of a server had of its CPU.
#[derive(Clone, Copy)]
struct CpuTime {
    /// Running, user and system together, to the scheduler's precision.
    spent: Duration,
    /// Ready to run while something else ran.
    waited: Duration,
}

/// The CPU time of all threads that live.
fn cpu_time(pid: u32) -> Result<CpuTime> {
    let schedstat = |task: &str, nth: usize| {
        let line = fs::read_to_string(format!("{task}/schedstat"))?;
        first_number(line.split(' ').nth(nth).unwrap_or_default())
    };
    Ok(CpuTime {
        spent: Duration::from_nanos(sum_tasks(pid, |task| schedstat(task, 0))?),
        waited: Duration::from_nanos(sum_tasks(pid, |task| schedstat(task, 1))?),
    })
}

/// What `load` gives, and the CPU time that the server `pid` spent meanwhile. Warns when it had to wait for its CPU: it
/// then shares it, and with it the caches, and its figure is too high.
pub(crate) fn account<T>(pid: u32, load: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let (start, before) = (Instant::now(), cpu_time(pid)?);
    let value = load()?;
    let after = cpu_time(pid)?;
    let waited = after.waited.saturating_sub(before.waited);
    let percent = waited.as_secs_f64() * 100.0 / start.elapsed().as_secs_f64();
    if percent > 5.0 {
        eprintln!("warning: the server waited {percent:.0} % of the time for its CPU: this machine is busy");
    }
    Ok((value, after.spent.saturating_sub(before.spent)))
}

/// What had to do on this machine in the last minute, on average: the first word of `/proc/loadavg`.
pub(crate) fn load() -> String {
    let line = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    line.split(' ').next().unwrap_or_default().to_owned()
}

/// How often threads gave up the CPU of their own accord: each is a wake-up that ended.
pub(crate) fn voluntary_switches(pid: u32) -> Result<u64> {
    let switches = |task: &str| {
        let status = fs::read_to_string(format!("{task}/status"))?;
        first_number(field(&status, "voluntary_ctxt_switches:")?)
    };
    sum_tasks(pid, switches)
}

/// Bytes of heap and stack: private memory without a file behind it, shared pages by their share.
pub(crate) fn private_memory(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for process in family(pid)? {
        let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
        sum += first_number(field(&rollup, "Pss_Anon:")?)? * 1024;
    }
    Ok(sum)
}

/// The process and all its descendants.
pub(crate) fn family(pid: u32) -> Result<Vec<u32>> {
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        for task in tasks(parent)? {
            let children = fs::read_to_string(format!("{task}/children"))?;
            found.extend(children.split_ascii_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        at += 1;
    }
    Ok(found)
}

fn sum_tasks(pid: u32, value: impl Fn(&str) -> Result<u64>) -> Result<u64> {
    let mut sum = 0;
    for process in family(pid)? {
        for task in tasks(process)? {
            sum += value(&task)?;
        }
    }
    Ok(sum)
}

/// The directories of a process's threads.
fn tasks(pid: u32) -> Result<Vec<String>> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"))?;
    entries.map(|entry| Ok(entry?.path().display().to_string())).collect()
}

fn field<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.ok_or_else(|| format!("this kernel does not tell {name}").into())
}

fn first_number(text: &str) -> Result<u64> {
    let number = text.split_ascii_whitespace().next().ok_or("a number was expected")?;
    Ok(number.parse()?)
}
