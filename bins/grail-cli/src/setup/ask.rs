//! Questions on a terminal.

use anyhow::Context as _;
use dialoguer::{Confirm, Input, Password, Select, theme::ColorfulTheme};
use grail_config::Setting;

/// Asks, where there is somebody to ask.
pub(crate) struct Asking {
    interactive: bool,
    theme: ColorfulTheme,
}

impl Asking {
    pub(crate) fn new(interactive: bool) -> Self {
        Self { interactive, theme: ColorfulTheme::default() }
    }

    pub(crate) const fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// A value; wrong ones are refused with what is expected.
    pub(crate) fn value(
        &mut self,
        prompt: &str,
        setting: &Setting,
        default: Option<String>,
    ) -> anyhow::Result<String> {
        let kind = setting.kind;
        let mut input = Input::<String>::with_theme(&self.theme)
            .with_prompt(prompt)
            .validate_with(move |text: &String| kind.check(text.trim()));
        if let Some(default) = default {
            input = input.default(default);
        }
        Ok(input.interact_text().context("ask")?.trim().to_owned())
    }

    /// A value, or nothing.
    pub(crate) fn optional(
        &mut self,
        prompt: &str,
        setting: &Setting,
        default: Option<String>,
    ) -> anyhow::Result<Option<String>> {
        let kind = setting.kind;
        let mut input =
            Input::<String>::with_theme(&self.theme).with_prompt(prompt).allow_empty(true).validate_with(
                move |text: &String| if text.trim().is_empty() { Ok(()) } else { kind.check(text.trim()) },
            );
        if let Some(default) = default {
            input = input.default(default);
        }
        let text = input.interact_text().context("ask")?;
        Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    /// A secret, which is not shown while it is typed. Nothing keeps the one that is there.
    pub(crate) fn secret(
        &mut self,
        prompt: &str,
        setting: &Setting,
        is_set: bool,
    ) -> anyhow::Result<Option<String>> {
        let kind = setting.kind;
        let prompt =
            if is_set { format!("{prompt} (nothing keeps the one that is set)") } else { prompt.to_owned() };
        let text = Password::with_theme(&self.theme)
            .with_prompt(prompt)
            .allow_empty_password(is_set)
            .validate_with(
                move |text: &String| {
                    if text.is_empty() && is_set { Ok(()) } else { kind.check(text.trim()) }
                },
            )
            .interact()
            .context("ask")?;
        Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    pub(crate) fn confirm(&mut self, prompt: &str, default: bool) -> anyhow::Result<bool> {
        if !self.interactive {
            return Ok(default);
        }
        // Waits for Enter, which people type: taken as one key, its Enter would answer the next question.
        Confirm::with_theme(&self.theme)
            .with_prompt(prompt)
            .default(default)
            .wait_for_newline(true)
            .interact()
            .context("ask")
    }

    /// One of these lines, by its place.
    pub(crate) fn choose(&mut self, prompt: &str, lines: &[String], default: usize) -> anyhow::Result<usize> {
        Select::with_theme(&self.theme)
            .with_prompt(prompt)
            .items(lines)
            .default(default)
            .interact()
            .context("ask")
    }
}
