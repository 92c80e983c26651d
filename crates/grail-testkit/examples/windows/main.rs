//! Writes the sample window files: `cargo run -p grail-testkit --example windows -- fixtures/windows`.
//!
//! Every sample is made from its world alone, so a second run writes the same bytes. What each must come to is what
//! the court says of it when it is written; the tests of `grail-verify` hold the court to it from then on.
#![expect(clippy::print_stdout, reason = "a program that says what it wrote")]

use grail_artifact::window::{JsonCodec, WindowCodec, WindowFile};
use grail_parquet::ParquetCodec;
use grail_protocol::words::UnixMillis;
use grail_testkit::{
    model::{CheatingGenerator, Habit},
    window::{BadFile, ExpectedVerdict, HandOver, Sample, World, WorldSetup},
};
use grail_verify::{MinerReport, lies};
use std::{
    error::Error,
    path::{Path, PathBuf},
};

#[path = "../../../grail-parquet/tests/it/forge.rs"]
mod forge;
mod hostile;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let root = std::env::args_os().nth(1).map(PathBuf::from).ok_or("say where: windows FOLDER")?;
    let mut writer = Writer { root, written: 0 };
    good(&mut writer)?;
    bytes(&mut writer)?;
    hostile::write(&mut writer)?;
    for lie in lies::all() {
        if let (Some(folder), [code, ..]) = (lie.sample, lie.codes) {
            let world = World::new(small());
            writer.bad(code, folder, &world, &world.told(lie, 1))?;
        }
    }
    searched(&mut writer)?;
    println!("{} samples in {}", writer.written, writer.root.display());
    Ok(())
}

/// A window of short answers.
fn small() -> WorldSetup {
    WorldSetup::new().with(|setup| setup.max_new_tokens = 8)
}

struct Writer {
    root: PathBuf,
    written: u32,
}

impl Writer {
    fn good(&mut self, name: &str, world: &World, codec: &dyn WindowCodec, file: &WindowFile) -> Outcome {
        let body = codec.encode(file)?;
        let report = verify(world, codec, body.clone());
        if !report.is_clean() {
            return Err(format!("{name} is not clean: {:?}", report.tally).into());
        }
        let expected = ExpectedVerdict::Good(Box::new(report));
        let sample = Sample { setup: world.setup.clone(), body, encoding: codec.encoding(), expected };
        self.write(&Path::new("good").join(name), &sample)
    }

    /// A signed file, as JSON where JSON can hold it.
    fn bad(&mut self, code: &str, name: &str, world: &World, file: &WindowFile) -> Outcome {
        let codec: &dyn WindowCodec = if file.rollouts.iter().all(|record| record.reward.is_finite()) {
            &JsonCodec
        } else {
            &ParquetCodec
        };
        self.bad_bytes(code, name, world, codec, codec.encode(file)?)
    }

    fn bad_bytes(
        &mut self,
        code: &str,
        name: &str,
        world: &World,
        codec: &dyn WindowCodec,
        body: Vec<u8>,
    ) -> Outcome {
        let report = verify(world, codec, body.clone());
        let found = report.tally.rejected.keys().any(|rejected| rejected == code);
        if !found {
            return Err(format!("{name} is not {code}: {:?}", report.tally.rejected).into());
        }
        let expected = ExpectedVerdict::Bad(BadFile::of(&report, code));
        let sample = Sample { setup: world.setup.clone(), body, encoding: codec.encoding(), expected };
        self.write(&Path::new("bad").join(code).join(name), &sample)
    }

    fn write(&mut self, folder: &Path, sample: &Sample) -> Outcome {
        sample.write(&self.root.join(folder))?;
        self.written += 1;
        Ok(())
    }
}

fn verify(world: &World, codec: &dyn WindowCodec, body: Vec<u8>) -> MinerReport {
    world.verify_with(world.shelve_bytes(body), codec, &mut world.oracle())
}

fn good(writer: &mut Writer) -> Outcome {
    let world = World::new(small());
    writer.good("one-group", &world, &JsonCodec, &world.honest(1))?;
    writer.good("one-group-parquet", &world, &ParquetCodec, &world.honest(1))?;
    writer.good("no-group", &world, &JsonCodec, &world.honest(0))?;
    let knowing = World::new(small().with(|setup| {
        setup.max_new_tokens = 20;
        setup.known_by_heart = 2;
    }));
    writer.good("two-groups-with-solutions", &knowing, &JsonCodec, &knowing.honest(2))
}

/// Files that are refused before anything in them is read as a claim.
fn bytes(writer: &mut Writer) -> Outcome {
    let world = World::new(small());
    let file = world.honest(1);
    let (json, parquet) = (JsonCodec.encode(&file)?, ParquetCodec.encode(&file)?);

    let late = World::new(small().with(|setup| setup.stored_at = UnixMillis(setup.deadline.0 + 1_500)));
    writer.bad("late-upload", "by-a-second-and-a-half", &late, &late.honest(1))?;

    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0x40;
        bytes
    };
    let json_codec: &dyn WindowCodec = &JsonCodec;
    for (name, codec, body) in [
        ("empty-json", json_codec, Vec::new()),
        ("empty-parquet", &ParquetCodec, Vec::new()),
        ("cut-json", &JsonCodec, half(&json)),
        ("cut-parquet", &ParquetCodec, half(&parquet)),
        ("flipped-json", &JsonCodec, flipped(&json, 0)),
        ("flipped-parquet", &ParquetCodec, flipped(&parquet, 0)),
        ("parquet-named-json", &JsonCodec, parquet),
    ] {
        writer.bad_bytes("file-malformed", name, &world, codec, body)?;
    }

    let narrow = World::new(small().with(|setup| setup.file_bytes = json.len() as u64 - 1));
    writer.bad_bytes("file-too-large", "one-byte-too-many", &narrow, &JsonCodec, json)?;
    let crowded = WindowFile { groups: 4_097, ..file.clone() };
    writer.bad("file-too-large", "too-many-groups-declared", &world, &crowded)?;
    let mut long = world.honest(1).rollouts;
    long.truncate(1);
    long[0].sketch = vec![0; 1_025];
    writer.bad(
        "file-too-large",
        "a-thousand-and-twenty-five-sketch-bytes",
        &world,
        &world.seal(world.header(), long),
    )?;

    let mut named = file.header.clone();
    named.generator = "two\nlines".into();
    writer.bad("field-invalid", "line-end-in-the-program-name", &world, &world.seal(named, file.rollouts))
}

/// Cases that need luck: the first window in which a file of one group shows them.
fn searched(writer: &mut Writer) -> Outcome {
    // A completion long enough that one wrong position hardly moves the mean.
    let world = first(|window| {
        let world = World::new(small().with(|setup| {
            setup.max_new_tokens = 64;
            setup.window.0 = window;
        }));
        let mut records = world.honest(1).rollouts;
        let longest = records.iter_mut().max_by_key(|record| record.tokens.len())?;
        let place = longest.tokens.len() / 2;
        longest.sketch[place] =
            if longest.sketch[place] > 0 { longest.sketch[place] - 4 } else { longest.sketch[place] + 4 };
        let file = world.seal(world.header(), records);
        rejects(&world, &file, "sketch-position").then_some((world, file))
    })?;
    writer.bad("sketch-position", "one-position-off-by-an-eighth", &world.0, &world.1)?;

    // A miner that takes the runner-up wherever it loses by a hair.
    let world = first(|window| {
        let world = World::new(small().with(|setup| {
            setup.max_new_tokens = 24;
            setup.window.0 = window;
        }));
        let mut liar = CheatingGenerator {
            model: world.model.clone(),
            habit: Habit::CloseCalls { more: 0.004, less: 0.009 },
        };
        let file = world.seal(world.header(), world.answer(&mut liar, 1));
        rejects(&world, &file, "draw-margins").then_some((world, file))
    })?;
    writer.bad("draw-margins", "runners-up-by-a-hair", &world.0, &world.1)
}

fn first(
    attempt: impl Fn(u64) -> Option<(World, WindowFile)>,
) -> Result<(World, WindowFile), Box<dyn Error>> {
    (1..20_000u64).find_map(|index| attempt(index * 20)).ok_or_else(|| "no such window among 20,000".into())
}

fn rejects(world: &World, file: &WindowFile, code: &str) -> bool {
    let report =
        world.verify_with(world.shelve_bytes(Vec::new()), &HandOver(file.clone()), &mut world.oracle());
    report.tally.rejected.keys().eq([code])
}
