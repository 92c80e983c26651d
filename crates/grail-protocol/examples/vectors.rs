//! Writes the vector files: `cargo run -p grail-protocol --example vectors -- fixtures/vectors/protocol`.

#[path = "../tests/it/vectors/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod vectors;

use serde_json::json;
use std::fmt::Write as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: vectors FOLDER")?;
    std::fs::create_dir_all(&folder)?;
    for topic in vectors::all() {
        let (name, about) = (json!(topic.name), json!(topic.about));
        let mut text = format!("{{\n\"topic\": {name},\n\"about\": {about},\n\"cases\": [\n");
        let inputs = (topic.inputs)();
        for (index, input) in inputs.iter().enumerate() {
            let comma = if index + 1 < inputs.len() { "," } else { "" };
            writeln!(text, "{{\"in\": {input}, \"out\": {}}}{comma}", (topic.derive)(input))?;
        }
        std::fs::write(format!("{folder}/{}.json", topic.name), text + "]\n}\n")?;
    }
    Ok(())
}
