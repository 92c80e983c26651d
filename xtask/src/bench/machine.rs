//! What a speed depends on besides the program: instructions, the speed of memory, who else computes, and a neighbour to
//! share the machine with.

use std::fs;
use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result};

use super::runs::median;
use crate::report::Stopwatch;

/// Processor and its instructions, in words.
pub(super) fn processor() -> String {
    fs::read_to_string("/proc/cpuinfo").map_or_else(|_| "an unknown processor".into(), |text| describe(&text))
}

/// Instructions that speed hangs on: what they are called here, and the flag of the first kind of them.
const INSTRUCTIONS: [(&str, &str); 6] = [
    ("avx2", "avx2"),
    ("avx512", "avx512f"),
    ("avx512_bf16", "avx512_bf16"),
    ("avx512_fp16", "avx512_fp16"),
    ("amx", "amx_tile"),
    ("amx_bf16", "amx_bf16"),
];

fn describe(cpuinfo: &str) -> String {
    let value = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
        line.and_then(|line| Some(line.split_once(':')?.1.trim())).unwrap_or_default()
    };
    let flags: Vec<&str> = value("flags").split_whitespace().collect();
    let there = INSTRUCTIONS.iter().filter(|(_, flag)| flags.contains(flag)).map(|(name, _)| *name);
    let there: Vec<&str> = there.collect();
    let there = if there.is_empty() { "no avx2".to_owned() } else { there.join(" ") };
    format!("{}, {there}", Some(value("model name")).filter(|name| !name.is_empty()).unwrap_or("a processor"))
}

/// Speed of memory, in bytes a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// Copying: bytes read and bytes written together.
    pub(super) copy: f64,
    /// Reading alone.
    pub(super) read: f64,
}

/// The smallest buffer.
const LEAST: usize = 1 << 30;
const PASSES: usize = 5;

/// Measures copying and reading by so many threads, in buffers far larger than the last cache.
///
/// Each of two buffers has the size of four last-level caches, a gibibyte at least.
pub(super) fn memory(threads: usize) -> Memory {
    over_buffers(threads, last_cache().saturating_mul(4).max(LEAST))
}

/// The size of the last-level cache in bytes, 0 where the machine does not tell.
fn last_cache() -> usize {
    let size = fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index3/size").unwrap_or_default();
    size.trim().strip_suffix('K').and_then(|size| size.parse::<usize>().ok()).map_or(0, |kib| kib * 1024)
}

fn over_buffers(threads: usize, size: usize) -> Memory {
    // Writing them once gives each its pages.
    let (from, mut to) = (vec![1u8; size], vec![2u8; size]);
    let part = size.div_ceil(threads.max(1));
    let mut pass = |work: fn(&mut [u8], &[u8])| {
        let watch = Stopwatch::start();
        thread::scope(|scope| {
            for (to, from) in to.chunks_mut(part).zip(from.chunks(part)) {
                scope.spawn(move || work(to, from));
            }
        });
        2.0 * size as f64 / watch.elapsed().as_secs_f64()
    };
    let mut passes = |work| median(&(0..PASSES).map(|_| pass(work)).collect::<Vec<_>>());
    // `memcpy` and `memcmp` of the C library, which use what the processor has.
    let copy = passes(|to, from| to.copy_from_slice(from));
    let read = passes(|to, from| {
        black_box(to[..] == *from);
    });
    Memory { copy, read }
}

/// How many processes wanted to run in the last minute, on average.
pub(super) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// A process that computes without end on one core, until it is dropped.
#[derive(Debug)]
pub(super) struct Neighbour(Child);

/// Counts for ever, and ends by itself when whoever started it is gone.
const SPIN: &str =
    "while kill -0 $PPID 2>/dev/null; do i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; done";

impl Neighbour {
    /// Starts one on the first core that we may use.
    ///
    /// # Errors
    /// When there is no `taskset` or no shell.
    pub(super) fn start() -> Result<Self> {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let core = first_core(&status).context("the cores that we may use are not told")?;
        let mut spin = Command::new("taskset");
        spin.args(["-c", &core, "sh", "-c", SPIN]);
        spin.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(spin.spawn().context("cannot start taskset (Debian: util-linux)")?))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // It may have ended; then there is nothing to stop.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The first of the allowed cores in `/proc/self/status`.
fn first_core(status: &str) -> Option<String> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let first = list.trim().split(['-', ',']).next()?;
    first.parse::<u32>().ok().map(|core| core.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_named_in_order_and_only_those_that_are_there() {
        let text = "processor\t: 0\nmodel name\t: Made Up(R)\nflags\t\t: fpu amx_tile avx avx2 avx512f avx512_bf16\n";
        assert_eq!(describe(text), "Made Up(R), avx2 avx512 avx512_bf16 amx");
        assert_eq!(describe("flags : fpu avx512_bf16x\n"), "a processor, no avx2");
    }

    #[test]
    fn memory_has_a_speed_with_any_number_of_threads() {
        for threads in [1, 3] {
            let Memory { copy, read } = over_buffers(threads, 1 << 20);
            assert!(copy > 1e6 && read > 1e6, "{copy} {read}");
        }
    }

    #[test]
    fn the_first_allowed_core_is_found() {
        let status = |list: &str| format!("Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t{list}\n");
        assert_eq!(first_core(&status("0-7")).as_deref(), Some("0"));
        assert_eq!(first_core(&status("5")).as_deref(), Some("5"));
        assert_eq!(first_core(&status("2,4-6")).as_deref(), Some("2"));
        assert_eq!(first_core("Name:\tx\n"), None);
    }

    #[test]
    fn a_neighbour_computes_until_it_is_dropped() {
        let Ok(neighbour) = Neighbour::start() else { return };
        let stat = format!("/proc/{}/stat", neighbour.0.id());
        let used = || -> u64 {
            let text = fs::read_to_string(&stat).unwrap_or_default();
            let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
            fields.skip(11).take(1).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
        };
        let watch = Stopwatch::start();
        while used() < 5 && watch.elapsed().as_secs() < 60 {
            thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(used() >= 5, "it took no processor time");
        drop(neighbour);
        assert!(!std::path::Path::new(&stat).exists());
    }
}
