//! Formulas: three distinct variables a clause, drawn from a stream.

use grail_protocol::stream::Stream;
use std::fmt;

/// Most variables that a formula of this environment has.
pub const MOST_VARIABLES: u8 = 10;

/// A variable or its negation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Literal {
    /// Variable, counted from 0; texts call it `x1` onwards.
    pub variable: u8,
    /// Whether the variable stands as it is; false for its negation.
    pub positive: bool,
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", if self.positive { "" } else { "not " }, u16::from(self.variable) + 1)
    }
}

/// Three literals over distinct variables, in rising order of the variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clause([Literal; 3]);

impl Clause {
    /// The three literals, in rising order of their variables.
    pub const fn literals(&self) -> &[Literal; 3] {
        &self.0
    }

    /// Draws a clause over `variables` variables, or `None` when there are fewer than three.
    ///
    /// Rule: the variables are the first three places of a Fisher–Yates shuffle of `0..variables`
    /// (`j = i + below(variables − i)`, swap places i and j, for i = 0, 1, 2), then sorted; then one coin for each in
    /// rising order, heads (1) being positive.
    fn draw(stream: &mut Stream, variables: u8) -> Option<Self> {
        let mut pool: Vec<u8> = (0..variables).collect();
        for place in 0..3u8 {
            let step = stream.below(u32::from(variables.checked_sub(place)?))?;
            let other = usize::from(place).checked_add(usize::try_from(step).ok()?)?;
            pool.swap(usize::from(place), other);
        }
        pool.truncate(3);
        pool.sort_unstable();
        let [a, b, c] = <[u8; 3]>::try_from(pool).ok()?;
        Some(Self([a, b, c].map(|variable| Literal { variable, positive: stream.coin() })))
    }

    /// The assignments under which the clause fails: those that agree with `value` on the bits of `mask`.
    fn failing(&self) -> (u16, u16) {
        let bit = |literal: &Literal| 1u16 << literal.variable;
        let mask = self.0.iter().map(bit).sum();
        let value = self.0.iter().filter(|literal| !literal.positive).map(bit).sum();
        (mask, value)
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = &self.0;
        write!(f, "({a} or {b} or {c})")
    }
}

/// A truth value for each variable; bit i of the number is variable i.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Assignment(pub u16);

impl Assignment {
    /// Reads an answer: exactly `variables` characters `0` or `1`, x1 first, and otherwise only spaces, tabs, line
    /// ends and commas, anywhere. `1 0 1`, `101` and `1, 0, 1` are one answer.
    pub fn read(text: &str, variables: u8) -> Option<Self> {
        let mut bits = 0u16;
        let mut count = 0u8;
        for byte in text.bytes() {
            match byte {
                b'0' | b'1' => {
                    if count >= variables.min(16) {
                        return None;
                    }
                    bits |= u16::from(byte == b'1') << count;
                    count += 1;
                }
                b' ' | b'\t' | b'\r' | b'\n' | b',' => {}
                _ => return None,
            }
        }
        (count == variables).then_some(Self(bits))
    }

    /// Canonical text: one character a variable, x1 first, no separators.
    pub fn text(self, variables: u8) -> String {
        (0..variables.min(16)).map(|i| if self.0 >> i & 1 == 1 { '1' } else { '0' }).collect()
    }
}

/// A conjunction of clauses of three literals each, over 3 to 10 variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formula {
    variables: u8,
    clauses: Vec<Clause>,
}

impl Formula {
    /// Draws `clauses` clauses over `variables` variables (3 to [`MOST_VARIABLES`]), one after another; the same
    /// clause may come twice. `None` outside that range.
    pub(crate) fn draw(stream: &mut Stream, variables: u8, clauses: u8) -> Option<Self> {
        if !(3..=MOST_VARIABLES).contains(&variables) {
            return None;
        }
        let clauses = (0..clauses).map(|_| Clause::draw(stream, variables)).collect::<Option<_>>()?;
        Some(Self { variables, clauses })
    }

    #[cfg(test)]
    pub(crate) fn from_clauses(variables: u8, clauses: impl Iterator<Item = Clause>) -> Self {
        Self { variables, clauses: clauses.collect() }
    }

    /// Number of variables; they are counted from 0.
    pub const fn variables(&self) -> u8 {
        self.variables
    }

    /// The clauses in the order in which they were drawn.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// Whether every clause holds under an assignment.
    pub fn holds(&self, assignment: Assignment) -> bool {
        self.clauses.iter().map(Clause::failing).all(|(mask, value)| assignment.0 & mask != value)
    }

    /// Every assignment that makes the formula true, in rising order. At most 1,024 are tried.
    pub fn solutions(&self) -> impl Iterator<Item = Assignment> {
        (0..1u16 << self.variables).map(Assignment).filter(|&assignment| self.holds(assignment))
    }

    /// The formula as a set of clauses, for its identity: the number of variables, then for each different clause in
    /// rising order three bytes `2 · variable + positive`.
    pub(crate) fn canonical_bytes(&self) -> Vec<u8> {
        let mut clauses = self.clauses.clone();
        clauses.sort_unstable();
        clauses.dedup();
        let literals = clauses.iter().flat_map(|clause| clause.0);
        let mut bytes = vec![self.variables];
        bytes.extend(literals.map(|literal| literal.variable << 1 | u8::from(literal.positive)));
        bytes
    }
}

impl fmt::Display for Formula {
    /// One clause a line, without a final line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, clause) in self.clauses.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            clause.fmt(f)?;
        }
        Ok(())
    }
}
