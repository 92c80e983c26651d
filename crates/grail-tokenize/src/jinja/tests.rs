//! Templates against what transformers made of the same (fixtures/scripts/template_vectors.py).

use std::fs;
use std::path::Path;
use std::rc::Rc;

use grail_ports::model::Message;
use serde::Deserialize;

use super::{Dict, Template, TemplateError, Value};

#[derive(Deserialize)]
struct Vectors {
    messages: Vec<Message>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    #[serde(default)]
    messages: Option<Vec<Message>>,
    /// What transformers prints; absent where it raises.
    text: Option<String>,
    error: Option<String>,
    /// Set where we refuse what transformers prints.
    #[serde(default)]
    refused: bool,
}

fn render(template: &str, messages: &[Message]) -> Result<String, TemplateError> {
    let turns = messages.iter().map(|message| {
        let mut turn = Dict::default();
        turn.set_text("role", Value::text(message.role.as_str()));
        turn.set_text("content", Value::text(message.content.as_str()));
        Value::Dict(Rc::new(turn))
    });
    let variables = [
        ("messages", Value::List(turns.collect())),
        ("add_generation_prompt", Value::Bool(true)),
        ("tools", Value::None),
        ("documents", Value::None),
        ("bos_token", Value::text("<s>")),
        ("eos_token", Value::text("</s>")),
    ];
    Template::compile(template)?.render(variables, None)
}

#[test]
fn templates_print_what_transformers_prints_or_are_refused_by_name() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/vectors/tokenize/templates.json");
    let vectors: Vectors = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut printed = 0;
    for Case { template, messages, text, error, refused } in &vectors.cases {
        let ours = render(template, messages.as_ref().unwrap_or(&vectors.messages));
        let right = match (&ours, text) {
            (Ok(ours), Some(text)) => ours == text && !refused,
            (Err(ours), Some(_)) => *refused && ours.to_string().contains("not supported"),
            (Err(_), None) => true,
            (Ok(_), None) => false,
        };
        printed += usize::from(ours.is_ok());
        if !right {
            let ours = ours.unwrap_or_else(|error| format!("ERROR {error}"));
            let theirs = text.clone().or(error.clone()).unwrap_or_default();
            wrong.push(format!("{template:?}\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), vectors.cases.len(), wrong.join("\n"));
    assert!(printed > 150, "{printed}");
}
