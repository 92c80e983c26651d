//! Writing, by the `parquet` crate with settings that leave it no choice.

use std::sync::Arc;

use grail_artifact::window::{RolloutRecord, WindowFile};
use parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    data_type::{ByteArray, ByteArrayType, FloatType, Int32Type},
    errors::{ParquetError, Result},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties, WriterVersion},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};

use crate::{
    footer::seal_json,
    schema::{COLUMNS, Column, MESSAGE, SEAL_KEY},
};

const ZSTD_LEVEL: i32 = 3;
const PAGE_BYTES: usize = 1 << 20;
const PAGE_ROWS: usize = 20_000;
/// Values between two looks at the page's size.
const BATCH: usize = 1_024;
const CREATED_BY: &str = "grail/1";

fn properties(seal: String) -> Result<WriterProperties> {
    Ok(WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(CREATED_BY.into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_dictionary_enabled(false)
        .set_encoding(Encoding::PLAIN)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(BATCH)
        .set_max_row_group_size(usize::MAX)
        .set_key_value_metadata(Some(vec![KeyValue::new(SEAL_KEY.into(), seal)]))
        .build())
}

/// The file's bytes.
pub(crate) fn encode(file: &WindowFile) -> Result<Vec<u8>> {
    let seal = seal_json(file).map_err(|error| ParquetError::External(Box::new(error)))?;
    let schema = Arc::new(parse_message_type(MESSAGE)?);
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties(seal)?))?;
    if !file.rollouts.is_empty() {
        let mut group = writer.next_row_group()?;
        for column in COLUMNS {
            write_column(&mut group, column, &file.rollouts)?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(bytes)
}

fn write_column(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    column: Column,
    rollouts: &[RolloutRecord],
) -> Result<()> {
    let mut writer = group
        .next_column()?
        .ok_or_else(|| ParquetError::General(format!("the schema has no column {}", column.name())))?;
    match column {
        Column::Group => {
            let values: Vec<i32> = rollouts.iter().map(|r| r.group.0.cast_signed()).collect();
            writer.typed::<Int32Type>().write_batch(&values, None, None)?;
        }
        Column::Rollout => {
            let values: Vec<i32> = rollouts.iter().map(|r| i32::from(r.rollout.0)).collect();
            writer.typed::<Int32Type>().write_batch(&values, None, None)?;
        }
        Column::Tokens => {
            let lists = Lists::new(rollouts, |r| &r.tokens, |token| token.cast_signed());
            lists.write(writer.typed::<Int32Type>())?;
        }
        Column::Sketch => {
            let values: Vec<ByteArray> = rollouts
                .iter()
                .map(|r| r.sketch.iter().map(|y| y.cast_unsigned()).collect::<Vec<u8>>().into())
                .collect();
            writer.typed::<ByteArrayType>().write_batch(&values, None, None)?;
        }
        Column::Logprobs => {
            let lists = Lists::new(rollouts, |r| &r.logprobs, i32::from);
            lists.write(writer.typed::<Int32Type>())?;
        }
        Column::Reward => {
            let values: Vec<f32> = rollouts.iter().map(|r| r.reward).collect();
            writer.typed::<FloatType>().write_batch(&values, None, None)?;
        }
    }
    writer.close()
}

/// A list column in Parquet's flat form.
#[derive(Default)]
struct Lists {
    values: Vec<i32>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

impl Lists {
    fn new<T: Copy>(
        rollouts: &[RolloutRecord],
        list: impl Fn(&RolloutRecord) -> &Vec<T>,
        value: impl Fn(T) -> i32,
    ) -> Self {
        let mut lists = Self::default();
        for rollout in rollouts {
            let items = list(rollout);
            lists.values.extend(items.iter().map(|item| value(*item)));
            // An empty list is one entry without a value.
            let entries = items.len().max(1);
            lists.definitions.resize(lists.definitions.len() + entries, i16::from(!items.is_empty()));
            lists.repetitions.push(0);
            lists.repetitions.resize(lists.definitions.len(), 1);
        }
        lists
    }

    fn write(&self, writer: &mut parquet::column::writer::ColumnWriterImpl<'_, Int32Type>) -> Result<()> {
        writer.write_batch(&self.values, Some(&self.definitions), Some(&self.repetitions))?;
        Ok(())
    }
}
