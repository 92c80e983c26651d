//! What figures are made of: keys, tables, and the frame around a picture.

use super::{
    plot::{Colour, Shape},
    text::escape,
};

/// What a key shows beside its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Block,
    PaleBlock,
    Line,
    DashedLine,
    Mark(Shape),
    Diamond,
    HollowDiamond,
}

impl Sign {
    fn svg(self) -> String {
        let diamond = Shape::Diamond.path(9.0, 6.0, 1.0);
        match self {
            Self::Block => "<path class=\"bar\" d=\"M3 0h12v12H3z\"/>".into(),
            Self::PaleBlock => "<path class=\"pale\" d=\"M3 0h12v12H3z\"/>".into(),
            Self::Line => "<path class=\"line\" d=\"M2 6H16\"/>".into(),
            Self::DashedLine => "<path class=\"line thin dashed\" d=\"M0 6H18\"/>".into(),
            Self::Mark(shape) => format!("<path class=\"marks\" d=\"{}\"/>", shape.path(9.0, 6.0, 1.0)),
            Self::Diamond => {
                format!("<path class=\"line thin\" d=\"M1 6H17\"/><path class=\"mark\" d=\"{diamond}\"/>")
            }
            Self::HollowDiamond => {
                format!(
                    "<path class=\"line thin\" d=\"M1 6H17\"/><path class=\"mark dashed\" d=\"{diamond}\"/>"
                )
            }
        }
    }

    /// The sign by itself, as it also stands in a table.
    pub(super) fn draw(self, colour: Colour) -> String {
        format!(
            "<svg class=\"{}\" viewBox=\"0 0 18 12\" aria-hidden=\"true\">{}</svg>",
            colour.class(),
            self.svg()
        )
    }
}

/// One line of a legend.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) sign: Sign,
    pub(super) colour: Colour,
    pub(super) words: String,
}

impl Key {
    pub(super) fn new(sign: Sign, colour: Colour, words: impl Into<String>) -> Self {
        Self { sign, colour, words: words.into() }
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    head: String,
    text: bool,
}

/// A column of numbers.
pub(super) fn number(head: impl Into<String>) -> Column {
    Column { head: head.into(), text: false }
}

/// A column of words.
pub(super) fn words(head: impl Into<String>) -> Column {
    Column { head: head.into(), text: true }
}

/// A table that scrolls within itself where it is wider than the screen.
pub(super) fn table(columns: &[Column], rows: impl Iterator<Item = Vec<String>>) -> String {
    let class = |column: &Column| if column.text { " class=\"t\"" } else { "" };
    let mut html = String::from(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table\"><table><thead><tr>",
    );
    for column in columns {
        html += &format!("<th scope=\"col\"{}>{}</th>", class(column), escape(&column.head));
    }
    html += "</tr></thead><tbody>";
    for row in rows {
        html += "<tr>";
        for (column, cell) in columns.iter().zip(row) {
            html += &format!("<td{}>{}</td>", class(column), escape(&cell));
        }
        html += "</tr>\n";
    }
    html += "</tbody></table></div>";
    html
}

/// A picture with its words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    pub(super) title: &'static str,
    pub(super) says: String,
    pub(super) keys: Vec<Key>,
    /// The picture, and the table of what it shows.
    pub(super) shown: Option<(String, String)>,
    /// Stands in place of the picture when there is nothing to show.
    pub(super) nothing: &'static str,
}

impl Figure {
    pub(super) fn html(&self) -> String {
        let mut html = format!("<figure><h3>{}</h3>", escape(self.title));
        let Some((picture, table)) = &self.shown else {
            html += &format!("<p class=\"none\">{}</p></figure>\n", escape(self.nothing));
            return html;
        };
        html += &format!("<p>{}</p><ul class=\"keys\">", escape(&self.says));
        for key in &self.keys {
            html += &format!("<li>{}<span>{}</span></li>", key.sign.draw(key.colour), escape(&key.words));
        }
        html += &format!("</ul>{picture}<details><summary>the numbers</summary>{table}</details></figure>\n");
        html
    }
}
