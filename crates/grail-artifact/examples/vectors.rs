//! Writes the vector files: `cargo run -p grail-artifact --example vectors -- fixtures/vectors/artifact`.

#[path = "../tests/it/topics.rs"]
mod topics;

use serde_json::json;
use std::fmt::Write as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: vectors FOLDER")?;
    std::fs::create_dir_all(&folder)?;
    for topic in topics::TOPICS {
        let mut text = format!(
            "{{\n\"topic\": {},\n\"about\": {},\n\"cases\": [\n",
            json!(topic.name),
            json!(topic.about)
        );
        let inputs = (topic.inputs)();
        for (index, input) in inputs.iter().enumerate() {
            let comma = if index + 1 < inputs.len() { "," } else { "" };
            writeln!(text, "{{\"in\": {input}, \"out\": {}}}{comma}", (topic.derive)(input))?;
        }
        std::fs::write(format!("{folder}/{}.json", topic.name), text + "]\n}\n")?;
    }
    Ok(())
}
