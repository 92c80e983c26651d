//! Templates are set up as transformers sets them up.

use serde_json::json;

use super::{Copy, user};
use crate::{TokenizeError, Tokenizer};

fn with_template(template: &str) -> Tokenizer {
    Copy::of("smollm2").with("chat_template.jinja", template).open().expect("the template compiles")
}

#[track_caller]
fn check(template: &str, expected: &str) {
    assert_eq!(with_template(template).render_chat(&user("Hi"), true).unwrap(), expected);
}

/// The error and what lies under it, on one line.
fn chain(error: &TokenizeError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    text
}

#[test]
fn blocks_take_their_line_and_values_do_not() {
    check("a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc");
    check("{{ 'x' }}\n{{- 'y' }}\n", "xy");
}

#[test]
fn a_template_can_refuse_messages_in_its_own_words() {
    let error = with_template("{{ raise_exception('roles must alternate') }}").render_chat(&user("Hi"), true);
    let error = error.unwrap_err();
    assert!(matches!(error, TokenizeError::Render { .. }));
    assert!(chain(&error).contains("roles must alternate"), "{}", chain(&error));
}

#[test]
fn todays_date_is_not_to_be_had() {
    let fixed = "{% if strftime_now is defined %}{{ strftime_now('%d') }}{% else %}26 Jul 2024{% endif %}";
    check(fixed, "26 Jul 2024");
    let error = with_template("{{ strftime_now('%d') }}").render_chat(&user("Hi"), true).unwrap_err();
    assert!(chain(&error).contains("strftime_now"), "{}", chain(&error));
}

#[test]
fn json_is_written_as_python_writes_it() {
    check(
        "{{ {'a': [1, 2.5, none, true], 'b': '<é\"'} | tojson }}",
        r#"{"a": [1, 2.5, null, true], "b": "<é\""}"#,
    );
    check("{{ {'a': [1]} | tojson(indent=2) }}", "{\n  \"a\": [\n    1\n  ]\n}");
    check("{{ [] | tojson }}{{ {} | tojson }}", "[]{}");
}

#[test]
fn truth_and_nothing_are_printed_as_python_prints_them() {
    check("{{ true }} {{ false }} {{ none }} {{ missing }}|", "True False None |");
}

#[test]
fn methods_of_python_texts_work() {
    check("{{ ' xay '.strip().split('a')[-1].upper() }}", "Y");
    check("{{ 'abc'.startswith('ab') and 'abc'.endswith('bc') }}", "True");
    check("{{ 'a\n\n'.rstrip('\\n') }}|{{ messages[0].get('role') }}", "a|user");
}

#[test]
fn lists_can_be_read_backwards_and_left_early() {
    check("{% for x in [1, 2, 3][::-1] %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "32");
}

#[test]
fn nothing_is_said_of_tools_and_documents() {
    check("{{ tools is none }} {{ documents is none }} {{ 'no' if not tools }}", "True True no");
}

#[test]
fn special_tokens_are_known_by_name() {
    check("{{ bos_token }}{{ eos_token }}", "<|im_start|><|im_end|>");
}

#[test]
fn the_template_file_wins_and_of_several_the_default() {
    let several = json!([{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]);
    let folder =
        Copy::of("smollm2").edit("tokenizer_config.json", |config| config["chat_template"] = several);
    assert_eq!(folder.open().unwrap().render_chat(&user("Hi"), true).unwrap(), "D");
    let folder = folder.with("chat_template.jinja", "F");
    assert_eq!(folder.open().unwrap().render_chat(&user("Hi"), true).unwrap(), "F");
    let more = folder.path("additional_chat_templates");
    std::fs::create_dir(&more).unwrap();
    std::fs::write(more.join("tool_use.jinja"), "T").unwrap();
    assert_eq!(folder.open().unwrap().render_chat(&user("Hi"), true).unwrap(), "F");
    // Files alone replace what tokenizer_config.json says.
    let folder = folder.without("chat_template.jinja");
    assert!(matches!(folder.open(), Err(TokenizeError::NoDefaultTemplate)));
    std::fs::write(more.join("default.jinja"), "A").unwrap();
    assert!(matches!(folder.open(), Err(TokenizeError::HiddenTemplate { .. })));
    let twice = json!([{"name": "default", "template": "1"}, {"name": "default", "template": "2"}]);
    let folder = Copy::of("smollm2").edit("tokenizer_config.json", |config| config["chat_template"] = twice);
    assert_eq!(folder.open().unwrap().render_chat(&user("Hi"), true).unwrap(), "2");
}

/// The case template-generation-tag: the marks print nothing, and what they enclose is a place of its own.
#[test]
fn marks_for_training_print_nothing() {
    check("a{% generation %}b{{ messages[0].content }}{% set x = 1 %}{% endgeneration %}{{ x }}c", "abHic");
}

/// The cases model-generation-markers and model-iterable-guard, by transformers 5.24.0.
#[test]
fn published_kinds_of_templates_give_the_ids_of_transformers() {
    #[derive(serde::Deserialize)]
    struct Expected {
        template: String,
        messages: Vec<grail_ports::model::Message>,
        rendered: String,
        ids: Vec<u32>,
    }
    let folder = Copy::of("marks");
    let expected = std::fs::read(folder.path("expected.json")).unwrap();
    for expected in serde_json::from_slice::<Vec<Expected>>(&expected).unwrap() {
        std::fs::write(folder.path("chat_template.jinja"), &expected.template).unwrap();
        let tokenizer = folder.open().unwrap();
        assert_eq!(tokenizer.render_chat(&expected.messages, true).unwrap(), expected.rendered);
        assert_eq!(tokenizer.encode_chat_with(&expected.messages, true).unwrap(), expected.ids);
    }
}

/// A message with control tokens in it is broken by marks, which must print as nothing wherever it is printed.
#[test]
fn marks_in_a_message_leave_no_trace_in_lists_and_json() {
    let hostile = user("it's <|im_end|> é");
    for template in [
        "{{ [messages[0].content] }}",
        "{{ messages | tojson(ensure_ascii=true) }}",
        "{{ '%r' % messages[0].content }}",
    ] {
        let tokenizer = with_template(template);
        let ids = tokenizer.encode_chat_with(&hostile, true).unwrap();
        assert!(!ids.contains(&2), "{template}");
        let text = tokenizer.decode_with(&ids, false).unwrap();
        assert_eq!(text, tokenizer.render_chat(&hostile, true).unwrap(), "{template}");
    }
}

#[test]
fn a_template_that_does_not_end_is_ended() {
    for endless in [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ 'a' * 999999999999 }}",
        "{% set ns = namespace(t='a') %}{% for i in range(99) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
        "{{ '%9999999999d' % 1 }}",
        "{{ [1] * 9999999999 }}",
    ] {
        let error = with_template(endless).render_chat(&user("Hi"), true).unwrap_err();
        assert!(matches!(error, TokenizeError::Render { .. }), "{endless}: {error}");
    }
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(5_000), ")".repeat(5_000));
    let error = Copy::of("smollm2").with("chat_template.jinja", &deep).open().unwrap_err();
    assert!(chain(&error).contains("nested too deeply"), "{}", chain(&error));
}

#[test]
fn without_a_template_only_chats_fail() {
    let bare =
        Copy::of("smollm2").edit("tokenizer_config.json", |config| config["chat_template"] = json!(null));
    let tokenizer = bare.open().unwrap();
    assert!(tokenizer.encode("the", false).is_ok());
    assert!(matches!(tokenizer.render_chat(&user("Hi"), true), Err(TokenizeError::NoTemplate)));
    assert!(matches!(tokenizer.encode_chat_with(&user("Hi"), true), Err(TokenizeError::NoTemplate)));
    let unnamed = json!([{"name": "tool_use", "template": "T"}]);
    let folder =
        Copy::of("smollm2").edit("tokenizer_config.json", |config| config["chat_template"] = unnamed);
    assert!(matches!(folder.open(), Err(TokenizeError::NoDefaultTemplate)));
}

#[test]
fn a_template_that_does_not_compile_is_refused_at_once() {
    let error = Copy::of("smollm2").with("chat_template.jinja", "{% for %}").open().unwrap_err();
    assert!(matches!(error, TokenizeError::TemplateSyntax { .. }), "{error}");
}
