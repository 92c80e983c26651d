//! This machine: device and memory, disk, cache folder, open files, the files of the configuration.

use super::check::Finding;
use grail_config::{Config, ConfigErrors, Origin, Value, table};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

const GIB: u64 = 1 << 30;
/// A 7B checkpoint, its successor, and a delta.
const DISK_WANTED: u64 = 100 * GIB;
/// Less leaves no room for one checkpoint of a small model.
const DISK_LEAST: u64 = 2 * GIB;
/// Most milliseconds for the driver's own tool.
const DRIVER_MS: u64 = 5_000;
/// Oldest driver under which the CUDA 13 of libtorch 2.11 runs (NVIDIA's CUDA Toolkit release notes, table 2).
const DRIVER_LEAST: u32 = 580;

/// The configuration itself.
pub(crate) fn configuration(read: &Result<Config, ConfigErrors>, files: &[PathBuf]) -> Vec<Finding> {
    let config = match read {
        Ok(config) => config,
        Err(ConfigErrors(errors)) => {
            let remedy = "`grail config show` lists every name and what its value looks like";
            return errors
                .iter()
                .map(|error| {
                    Finding::bad("configuration", "configuration", super::store::chain(error), remedy)
                })
                .collect();
        }
    };
    let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    let told =
        if names.is_empty() { "no file; variables and flags alone".to_owned() } else { names.join(", ") };
    // A file without secrets may have any mode: the service's grail.toml is read by a group.
    let holds = |file: &Path| {
        table::ALL.iter().any(|setting| match config.get(setting) {
            Some((Value::Secret(_), Origin::File { path, .. })) => path == file,
            _ => false,
        })
    };
    let open = files
        .iter()
        .filter(|path| holds(path.as_path()))
        .find_map(|path| Some((path, open_to_others(path)?)));
    let mut found = match open {
        Some((path, mode)) => vec![Finding::warning(
            "configuration",
            "configuration-open-to-others",
            format!("{} holds secrets and has mode {mode:o}", path.display()),
            format!("chmod 600 {}", path.display()),
        )],
        _ => vec![Finding::good("configuration", told)],
    };
    found.extend(config.unserved().map(|told| {
        Finding::warning("configuration", "not-served", told, "set GRAIL_MONITORING_BACKEND=none")
    }));
    let remedy = "`grail config show` lists every name; one of another program's needs nothing";
    let unread = config.unread().iter();
    found.extend(unread.map(|told| Finding::warning("configuration", "not-read", told.as_str(), remedy)));
    found
}

#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Option<u32> {
    None
}

/// Free space and writability of the cache folder.
pub(crate) fn disk(config: &Config) -> Vec<Finding> {
    let cache = config.cache_dir();
    let existing = cache.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let writable = match tempfile::Builder::new().prefix(".grail-doctor").tempfile_in(existing) {
        Ok(_) => Finding::good("cache", format!("{} can be written to", cache.display())),
        Err(error) => Finding::bad(
            "cache",
            "cache-not-writable",
            format!("{} cannot be written to: {error}", existing.display()),
            "change its owner, or set GRAIL_CACHE_DIR to another folder",
        ),
    };
    let room = match rustix::fs::statvfs(existing) {
        Ok(stats) => {
            let free = stats.f_bavail.saturating_mul(stats.f_frsize);
            let weights =
                config.path(&table::MODEL).map(|folder| weight_bytes(&folder)).filter(|bytes| *bytes > 0);
            room(free, weights, &cache.display().to_string())
        }
        Err(error) => {
            let told = format!("the free space of {} is not known: {error}", existing.display());
            Finding::warning("disk", "disk-unknown", told, "look with df")
        }
    };
    vec![writable, room]
}

/// Whether checkpoints fit: the one in use, the next one while it is fetched, and what it is made of.
fn room(free: u64, weights: Option<u64>, place: &str) -> Finding {
    let least = weights.map_or(DISK_LEAST, |bytes| bytes.saturating_add(DISK_LEAST));
    let wanted = weights.map_or(DISK_WANTED, |bytes| bytes.saturating_mul(4).saturating_add(DISK_LEAST));
    let gib = |bytes: u64| bytes as f64 / GIB as f64;
    let told = format!("{:.1} GiB free for {place}", gib(free));
    let whose =
        if weights.is_some() { "checkpoints of this model want" } else { "a network with a 7B model wants" };
    let remedy = "free some space, or set GRAIL_CACHE_DIR to a folder on another disk";
    if free < least {
        let told = format!("{told}; the next checkpoint takes {:.1}", gib(least));
        Finding::bad("disk", "disk-full", told, remedy)
    } else if free < wanted {
        let told = format!("{told}; {whose} {:.1}", gib(wanted));
        Finding::warning("disk", "disk-small", told, remedy)
    } else {
        Finding::good("disk", told)
    }
}

/// Device, memory, and how many files may be open.
pub(crate) async fn accelerator(config: &Config) -> Vec<Finding> {
    let device = config.text(&table::DEVICE).unwrap_or("cpu").to_owned();
    let weights = config.path(&table::MODEL).map(|folder| weight_bytes(&folder));
    let mut lines = vec![if device == "cpu" {
        processor(weights)
    } else {
        let number = device.strip_prefix("cuda:").and_then(|number| number.parse().ok()).unwrap_or(0);
        cuda(number, weights).await
    }];
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    lines.push(match limit {
        Some(files) if files < 1_024 => Finding::warning(
            "open-files",
            "few-open-files",
            format!("at most {files} files may be open; 256 miners' buckets take more"),
            "ulimit -n 65536, or LimitNOFILE in the unit",
        ),
        Some(files) => Finding::good("open-files", format!("up to {files}")),
        None => Finding::good("open-files", "as many as there are"),
    });
    lines
}

fn processor(weights: Option<u64>) -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let Some(free) = available_memory() else {
        return Finding::good("accelerator", format!("the processor, {cores} cores"));
    };
    let told = format!("the processor, {cores} cores, {:.1} GiB of memory free", free as f64 / GIB as f64);
    // Half-precision weights are widened to 32 bits, and generation needs room beside them.
    let wanted = weights.map_or(0, |bytes| bytes.saturating_mul(2).saturating_add(GIB / 2));
    if weights.is_some_and(|bytes| free < bytes) {
        let told = format!("{told}; the weights alone take more");
        Finding::bad("accelerator", "little-memory", told, "use a smaller model, or a larger machine")
    } else if free < wanted {
        let told = format!("{told}; the model takes about {:.1}", wanted as f64 / GIB as f64);
        Finding::warning(
            "accelerator",
            "little-memory",
            told,
            "use a smaller GRAIL_GENERATION_BATCH_SIZE, or a larger machine",
        )
    } else {
        Finding::good("accelerator", told)
    }
}

/// Bytes that the system says are at hand.
fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(1_024)
}

fn weight_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "safetensors"))
        .filter_map(|entry| fs::metadata(entry.path()).ok())
        .fold(0, |sum, metadata| sum.saturating_add(metadata.len()))
}

/// Asks the driver's own tool; this program is built without CUDA.
async fn cuda(number: usize, weights: Option<u64>) -> Finding {
    let query = [
        "--query-gpu=name,memory.total,memory.free,driver_version,compute_cap",
        "--format=csv,noheader,nounits",
    ];
    let mut command = tokio::process::Command::new("nvidia-smi");
    command.args(query).stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(Duration::from_millis(DRIVER_MS), command.output()).await {
        Ok(Ok(output)) if output.status.success() => output,
        Ok(Ok(output)) => {
            let told = String::from_utf8_lossy(&output.stdout)
                .lines()
                .next()
                .unwrap_or("nvidia-smi failed")
                .to_owned();
            return Finding::bad(
                "accelerator",
                "no-cuda-device",
                told,
                "install or restart the NVIDIA driver",
            );
        }
        Ok(Err(error)) => {
            let remedy = "install the NVIDIA driver, or set GRAIL_DEVICE=cpu";
            return Finding::bad(
                "accelerator",
                "no-cuda-device",
                format!("no CUDA device: nvidia-smi: {error}"),
                remedy,
            );
        }
        Err(_) => {
            let told = format!("nvidia-smi did not answer within {DRIVER_MS} ms");
            return Finding::bad(
                "accelerator",
                "no-cuda-device",
                told,
                "the driver hangs; restart the machine",
            );
        }
    };
    device_line(&String::from_utf8_lossy(&output.stdout), number, weights)
}

fn device_line(text: &str, number: usize, weights: Option<u64>) -> Finding {
    let Some(line) = text.lines().nth(number) else {
        let told = format!("there is no device cuda:{number}; the driver names {}", text.lines().count());
        return Finding::bad("accelerator", "no-cuda-device", told, "set GRAIL_DEVICE to one of them");
    };
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let [name, total, free, driver, capability] = fields.as_slice() else {
        return Finding::warning(
            "accelerator",
            "odd-driver",
            format!("nvidia-smi says {line:?}"),
            "look with nvidia-smi",
        );
    };
    let told =
        format!("{name}, {free} of {total} MiB free, driver {driver}, compute capability {capability}");
    let wanted = weights.map_or(0, |bytes| bytes >> 20);
    let major = driver.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match (free.parse::<u64>(), capability.parse::<f64>()) {
        _ if major.is_some_and(|major| major < DRIVER_LEAST) => Finding::bad(
            "accelerator",
            "driver-too-old",
            format!("{told}; libtorch's CUDA 13 needs a driver of {DRIVER_LEAST} or newer"),
            "install a newer NVIDIA driver, or set GRAIL_DEVICE=cpu",
        ),
        (Ok(free), _) if free < wanted => Finding::bad(
            "accelerator",
            "little-memory",
            format!("{told}; the model alone takes {wanted} MiB"),
            "stop what else runs on the device, or use a larger one",
        ),
        (_, Ok(capability)) if capability < 8.0 => Finding::warning(
            "accelerator",
            "old-device",
            format!("{told}; bfloat16 needs 8.0"),
            "use a device of compute capability 8.0 or newer",
        ),
        _ => Finding::good("accelerator", told),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Standing;

    #[test]
    fn a_disk_without_room_for_the_next_checkpoint_is_named() {
        let code = |free, weights| room(free, weights, "cache").code;
        assert_eq!(code(GIB, None), Some("disk-full"));
        assert_eq!(code(50 * GIB, None), Some("disk-small"));
        assert_eq!(code(200 * GIB, None), None);
        assert_eq!(code(15 * GIB, Some(15 * GIB)), Some("disk-full"));
        assert_eq!(code(40 * GIB, Some(15 * GIB)), Some("disk-small"));
        assert_eq!(code(70 * GIB, Some(15 * GIB)), None);
        assert_eq!(code(3 * GIB, Some(1 << 20)), None, "a small model needs little");
    }

    #[test]
    fn a_device_is_described_and_a_missing_or_full_one_is_named() {
        let text = "NVIDIA H100 80GB HBM3, 81559, 80995, 580.95, 9.0\nTesla T4, 15360, 100, 590.1, 7.5\n";
        let good = device_line(text, 0, Some(15 << 30));
        assert_eq!(good.standing, Standing::Good);
        assert!(good.told.contains("80995 of 81559 MiB"), "{}", good.told);
        assert_eq!(device_line(text, 1, None).code, Some("old-device"));
        assert_eq!(device_line(text, 1, Some(1 << 30)).code, Some("little-memory"));
        assert_eq!(device_line(text, 2, None).code, Some("no-cuda-device"));
        assert_eq!(device_line("odd\n", 0, None).code, Some("odd-driver"));
        let old = device_line("NVIDIA H100 80GB HBM3, 81559, 80995, 570.86, 9.0\n", 0, None);
        assert_eq!((old.code, old.standing), (Some("driver-too-old"), Standing::Bad));
    }
}
