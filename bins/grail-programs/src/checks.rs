//! `check`: what a role needs, one line each.

use console::style;

/// Whether all went well so far.
#[derive(Debug, Clone, Copy)]
pub struct Checks {
    well: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Self { well: true }
    }
}

impl Checks {
    /// Tells a result; the value of a good one goes on.
    #[expect(clippy::print_stdout, reason = "the result of a program for people")]
    pub fn line(&mut self, name: &str, result: anyhow::Result<String>) {
        match result {
            Ok(detail) => println!("{} {name}: {detail}", style("✓").green()),
            Err(error) => {
                self.well = false;
                println!("{} {name}: {error:#}", style("✗").red());
            }
        }
    }

    /// Tells several.
    pub fn lines<'a>(&mut self, results: impl IntoIterator<Item = (&'a str, anyhow::Result<String>)>) {
        for (name, result) in results {
            self.line(name, result);
        }
    }

    /// Whether every one of them was good.
    pub const fn are_good(self) -> bool {
        self.well
    }
}
