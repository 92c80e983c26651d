//! Zip bombs cost no memory. A binary of its own, so that the peak of the process is the decoder's.

#[path = "it/forge.rs"]
#[allow(dead_code, reason = "the other test binary uses the rest of the forger")]
mod forge;

use forge::{Forged, ForgedPage};
use grail_artifact::{limits::LIMITS, window::WindowCodec};
use grail_parquet::ParquetCodec;
use std::io::Write as _;

/// Peak resident memory of this process in KiB, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// `gigabytes` of zeros as one zstd frame that declares no size, a few tens of KiB each.
fn bomb(gigabytes: usize) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    // A window of 128 MiB, which a streaming decoder would have to reserve.
    encoder.window_log(27).unwrap();
    let block = vec![0u8; 1 << 20];
    for _ in 0..gigabytes << 10 {
        encoder.write_all(&block).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn a_zip_bomb_costs_no_more_than_its_page_declares() {
    let body = bomb(1);
    assert!(body.len() < 1 << 20, "the bomb is small: {} bytes", body.len());
    let before = peak_kib();
    for declared in [64i64, 1 << 10, 16 << 20] {
        for column in 0..6 {
            let mut file = Forged::honest("{}".into());
            file.seal = seal();
            let values = file.columns[column].values;
            let page = ForgedPage {
                uncompressed: declared,
                compressed: body.len() as i64,
                body: body.clone(),
                ..ForgedPage::new(values, &[])
            };
            file.columns[column].uncompressed = declared + 64;
            file.columns[column].pages = vec![page];
            let error = ParquetCodec.decode(&file.bytes(), &LIMITS).unwrap_err();
            assert!(error.to_string().contains("does not decompress to its size"), "{error}");
        }
    }
    // Metadata that claims 2³¹ list elements costs nothing either.
    let mut claims = Forged::honest(seal());
    claims.row_groups = 1 << 31;
    assert!(ParquetCodec.decode(&claims.bytes(), &LIMITS).is_err());
    match (before, peak_kib()) {
        (Some(before), Some(after)) => {
            let grown = after - before;
            assert!(grown < 48 << 10, "decoding took {grown} KiB at its peak");
        }
        _ => {
            let _ = writeln!(std::io::stderr(), "SKIPPED: peak memory, this system does not tell it");
        }
    }
}

fn seal() -> String {
    let hotkey = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    let (id, signature) = ("ab".repeat(32), "cd".repeat(64));
    format!(
        r#"{{"header":{{"version":1,"network":"dev","window":0,"hotkey":"{hotkey}","checkpoint":"{id}","env":"sat/1","randomness":"block-hash-only","numeric":"strict-f32","generator":"forger"}},"groups":1,"rollout_count":1,"root":"{id}","signature":"{signature}"}}"#
    )
}
