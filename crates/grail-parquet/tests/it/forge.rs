//! Files that no honest writer makes, put together by hand: a small Thrift writer and free choice of every count.

use zstd::bulk::compress;

/// Thrift's compact protocol, written field by field.
#[derive(Default, Clone)]
pub(crate) struct Thrift {
    pub(crate) bytes: Vec<u8>,
    last: i16,
}

impl Thrift {
    fn head(mut self, id: i16, kind: u8) -> Self {
        self.bytes.push(((id - self.last) as u8) << 4 | kind);
        self.last = id;
        self
    }

    pub(crate) fn int(mut self, id: i16, value: i64) -> Self {
        self = self.head(id, 6);
        varint(&mut self.bytes, (value << 1 ^ value >> 63) as u64);
        self
    }

    pub(crate) fn text(mut self, id: i16, text: &[u8]) -> Self {
        self = self.head(id, 8);
        varint(&mut self.bytes, text.len() as u64);
        self.bytes.extend_from_slice(text);
        self
    }

    pub(crate) fn inner(mut self, id: i16, inner: Self) -> Self {
        self = self.head(id, 12);
        self.bytes.extend(inner.end());
        self
    }

    /// A list of structures that claims `count` of them.
    pub(crate) fn list(mut self, id: i16, count: u64, items: Vec<Self>) -> Self {
        self = self.head(id, 9);
        self.bytes.push(0xfc);
        varint(&mut self.bytes, count);
        for item in items {
            self.bytes.extend(item.end());
        }
        self
    }

    pub(crate) fn ints(mut self, id: i16, items: &[i64]) -> Self {
        self = self.head(id, 9);
        self.bytes.push((items.len() as u8) << 4 | 5);
        for item in items {
            varint(&mut self.bytes, (item << 1) as u64);
        }
        self
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// A page as its header declares it, and the compressed bytes that follow.
#[derive(Clone)]
pub(crate) struct ForgedPage {
    pub(crate) kind: i64,
    pub(crate) values: i64,
    pub(crate) encoding: i64,
    pub(crate) uncompressed: i64,
    pub(crate) compressed: i64,
    pub(crate) body: Vec<u8>,
}

impl ForgedPage {
    /// An honest page around a body.
    pub(crate) fn new(values: i64, body: &[u8]) -> Self {
        let packed = compress(body, 3).unwrap();
        Self {
            kind: 0,
            values,
            encoding: 0,
            uncompressed: body.len() as i64,
            compressed: packed.len() as i64,
            body: packed,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let data = Thrift::default().int(1, self.values).int(2, self.encoding).int(3, 3).int(4, 3);
        let mut bytes = Thrift::default()
            .int(1, self.kind)
            .int(2, self.uncompressed)
            .int(3, self.compressed)
            .inner(5, data)
            .end();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A column chunk: pages, and what the footer says about them.
#[derive(Clone)]
pub(crate) struct ForgedColumn {
    pub(crate) physical: i64,
    pub(crate) codec: i64,
    pub(crate) encodings: Vec<i64>,
    pub(crate) values: i64,
    pub(crate) uncompressed: i64,
    pub(crate) shift: i64,
    pub(crate) pages: Vec<ForgedPage>,
}

/// A whole file of one row group.
#[derive(Clone)]
pub(crate) struct Forged {
    pub(crate) columns: Vec<ForgedColumn>,
    pub(crate) names: Vec<&'static str>,
    /// Of each column's values: 0 required, 1 optional, 2 repeated.
    pub(crate) repetitions: Vec<i64>,
    /// Of each column's values.
    pub(crate) converted: Vec<Option<i64>>,
    /// What lists say of themselves: repetition and number of children.
    pub(crate) list: (i64, i64),
    pub(crate) rows: i64,
    pub(crate) group_rows: i64,
    pub(crate) row_groups: u64,
    pub(crate) key: &'static str,
    pub(crate) seal: String,
    /// Bytes between columns and footer.
    pub(crate) gap: Vec<u8>,
}

impl Forged {
    /// One rollout of the tokens 5 and 6, everything in order. `seal` comes from a real file.
    pub(crate) fn honest(seal: String) -> Self {
        let column = |physical, values, body: &[u8]| ForgedColumn {
            physical,
            codec: 6,
            encodings: vec![0, 3],
            values,
            uncompressed: body.len() as i64 + 64,
            shift: 0,
            pages: vec![ForgedPage::new(values, body)],
        };
        // Levels: a run of one 0 and one 1 (rows start), a run of two 1 (both present).
        let list = [&[4u8, 0, 0, 0, 2, 0, 2, 1][..], &[2, 0, 0, 0, 4, 1], &[5, 0, 0, 0, 6, 0, 0, 0]].concat();
        Self {
            columns: vec![
                column(1, 1, &[0; 4]),
                column(1, 1, &[0; 4]),
                column(1, 2, &list),
                column(6, 1, &[2, 0, 0, 0, 7, 8]),
                column(1, 2, &list),
                column(4, 1, &1f32.to_le_bytes()),
            ],
            names: vec!["group", "rollout", "tokens", "sketch", "logprobs", "reward"],
            repetitions: vec![0; 6],
            converted: vec![Some(13), Some(11), Some(13), None, Some(16), None],
            list: (0, 1),
            rows: 1,
            group_rows: 1,
            row_groups: 1,
            key: "grail.window",
            seal,
            gap: Vec::new(),
        }
    }

    fn schema(&self) -> Vec<Thrift> {
        let mut schema = vec![Thrift::default().text(4, b"grail_window").int(5, self.columns.len() as i64)];
        for (index, (column, name)) in self.columns.iter().zip(&self.names).enumerate() {
            let leaf = |name: &[u8]| {
                let repetition = self.repetitions.get(index).copied().unwrap_or(0);
                let element = Thrift::default().int(1, column.physical).int(3, repetition).text(4, name);
                match self.converted.get(index).copied().flatten() {
                    Some(converted) => element.int(6, converted),
                    None => element,
                }
            };
            if matches!(*name, "tokens" | "logprobs") {
                let (repetition, children) = self.list;
                let list = Thrift::default().int(3, repetition).text(4, name.as_bytes());
                schema.push(list.int(5, children).int(6, 3));
                schema.push(Thrift::default().int(3, 2).text(4, b"list").int(5, 1));
                schema.push(leaf(b"element"));
            } else {
                schema.push(leaf(name.as_bytes()));
            }
        }
        schema
    }

    /// The file's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"PAR1".to_vec();
        let mut chunks = Vec::new();
        for column in &self.columns {
            let start = bytes.len();
            column.pages.iter().for_each(|page| bytes.extend(page.bytes()));
            let meta = Thrift::default()
                .int(1, column.physical)
                .ints(2, &column.encodings)
                .int(4, column.codec)
                .int(5, column.values)
                .int(6, column.uncompressed)
                .int(7, (bytes.len() - start) as i64)
                .int(9, start as i64 + column.shift);
            chunks.push(Thrift::default().int(2, 0).inner(3, meta));
        }
        bytes.extend_from_slice(&self.gap);
        let group =
            Thrift::default().list(1, chunks.len() as u64, chunks).int(2, 100).int(3, self.group_rows);
        let pair = Thrift::default().text(1, self.key.as_bytes()).text(2, self.seal.as_bytes());
        let schema = self.schema();
        let footer = Thrift::default()
            .int(1, 1)
            .list(2, schema.len() as u64, schema)
            .int(3, self.rows)
            .list(4, self.row_groups, vec![group])
            .list(5, 1, vec![pair])
            .end();
        close(bytes, &footer)
    }
}

/// Puts a footer under a body.
pub(crate) fn close(mut body: Vec<u8>, footer: &[u8]) -> Vec<u8> {
    body.extend_from_slice(footer);
    body.extend_from_slice(&(footer.len() as u32).to_le_bytes());
    body.extend_from_slice(b"PAR1");
    body
}
