//! What both measuring programs need.

use std::{error::Error, fs, path::Path};

/// The first tokens of the recorded prompts and continuations, one after another.
pub(crate) fn text(count: usize) -> Result<Vec<u32>, Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/vectors/smollm2/greedy.json");
    let fixture: serde_json::Value = serde_json::from_slice(&fs::read(file)?)?;
    let cases = fixture["cases"].as_array().ok_or("the fixture has no cases")?;
    let ids = |case: &serde_json::Value, key: &str| case[key].as_array().cloned().unwrap_or_default();
    let tokens = cases.iter().flat_map(|case| [ids(case, "prompt"), ids(case, "continuation")].concat());
    Ok(tokens.filter_map(|id| u32::try_from(id.as_u64()?).ok()).cycle().take(count).collect())
}

/// Processor time of this process so far, all threads together; in ticks of 10 ms.
pub(crate) fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// A line of `/proc/self/status` in MB, 0 where there is none.
pub(crate) fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1_024
}
