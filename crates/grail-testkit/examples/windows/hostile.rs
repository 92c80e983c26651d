//! Parquet files that no honest writer makes.

use super::{
    Outcome, Writer,
    forge::{Forged, ForgedPage},
    small,
};
use grail_artifact::window::WindowFile;
use grail_parquet::ParquetCodec;
use grail_testkit::window::World;
use std::io::Write as _;

/// Files whose declared sizes are lies, in both directions.
pub(super) fn write(writer: &mut Writer) -> Outcome {
    let world = World::new(small());
    let forged = || Forged::honest(seal(&world.honest(1)));

    // A column of ten thousand million bytes, by its own account.
    let mut huge = forged();
    for column in &mut huge.columns {
        column.uncompressed = 10_000_000_000;
        column.pages.iter_mut().for_each(|page| page.uncompressed = 10_000_000_000);
    }
    writer.bad_bytes("file-too-large", "ten-gigabytes-declared", &world, &ParquetCodec, huge.bytes())?;

    let mut crowded = forged();
    crowded.rows = 1 << 31;
    crowded.group_rows = 1 << 31;
    writer.bad_bytes(
        "file-too-large",
        "two-thousand-million-rollouts-declared",
        &world,
        &ParquetCodec,
        crowded.bytes(),
    )?;

    // A page that says 64 bytes and unpacks to 64 MiB.
    let bomb = bomb(64)?;
    let mut file = forged();
    for column in file.columns.iter_mut().filter(|column| column.physical == 6) {
        column.uncompressed = 128;
        column.pages = vec![ForgedPage {
            uncompressed: 64,
            compressed: i64::try_from(bomb.len())?,
            body: bomb.clone(),
            ..ForgedPage::new(column.values, &[])
        }];
    }
    writer.bad_bytes("file-malformed", "zip-bomb", &world, &ParquetCodec, file.bytes())
}

/// The file without its rollouts, as Parquet carries it.
fn seal(file: &WindowFile) -> String {
    let mut value = serde_json::to_value(file).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("rollouts");
    }
    value.to_string()
}

/// So many MiB of zeros as one zstd frame that declares no size.
fn bomb(mebibytes: usize) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1)?;
    let block = vec![0u8; 1 << 20];
    for _ in 0..mebibytes {
        encoder.write_all(&block)?;
    }
    encoder.finish()
}
