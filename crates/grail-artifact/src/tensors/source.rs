use super::{Header, TensorError, TensorInfo};
use std::io::{self, Read, Seek, SeekFrom};

/// Tensors that can be read piece by piece.
pub trait TensorSource {
    /// What there is, in an order of the source's own. Names are distinct.
    fn tensors(&self) -> &[TensorInfo];

    /// Fills `into` with the bytes of a tensor from `offset` on.
    ///
    /// Errors: [`TensorError::Truncated`] outside the tensor.
    fn read(&mut self, tensor: usize, offset: u64, into: &mut [u8]) -> Result<(), TensorError>;
}

/// The end of the bytes is their fault, everything else the reader's.
pub(crate) fn read_error(source: io::Error) -> TensorError {
    if source.kind() == io::ErrorKind::UnexpectedEof {
        TensorError::Truncated
    } else {
        TensorError::Read { source }
    }
}

/// One safetensors file, opened by its header; tensors are read piece by piece, never the file whole.
#[derive(Debug)]
pub struct SafetensorsFile<R> {
    header: Header,
    reader: R,
    position: Option<u64>,
}

impl<R: Read + Seek> SafetensorsFile<R> {
    /// Reads and checks the header of a file that begins at the reader's first byte.
    pub fn open(mut reader: R) -> Result<Self, TensorError> {
        let bytes = reader.seek(SeekFrom::End(0)).map_err(read_error)?;
        reader.seek(SeekFrom::Start(0)).map_err(read_error)?;
        let header = Header::read(&mut reader, bytes)?;
        Ok(Self { header, reader, position: None })
    }

    /// The header, checked when the file was opened.
    pub const fn header(&self) -> &Header {
        &self.header
    }
}

impl<R: Read + Seek> TensorSource for SafetensorsFile<R> {
    fn tensors(&self) -> &[TensorInfo] {
        self.header.tensors()
    }

    fn read(&mut self, tensor: usize, offset: u64, into: &mut [u8]) -> Result<(), TensorError> {
        let info = self.header.tensors().get(tensor).ok_or(TensorError::Truncated)?;
        let end = offset.checked_add(into.len() as u64).ok_or(TensorError::Truncated)?;
        if end > info.bytes {
            return Err(TensorError::Truncated);
        }
        // Inside the file, as the header was checked against its length.
        let at = self.header.data_start().saturating_add(info.begin).saturating_add(offset);
        if self.position != Some(at) {
            self.reader.seek(SeekFrom::Start(at)).map_err(read_error)?;
        }
        self.position = None;
        self.reader.read_exact(into).map_err(read_error)?;
        self.position = Some(at.saturating_add(into.len() as u64));
        Ok(())
    }
}

/// Several files as one source: a model in shards.
#[derive(Debug)]
pub struct Shards<R> {
    files: Vec<SafetensorsFile<R>>,
    tensors: Vec<TensorInfo>,
    places: Vec<(usize, usize)>,
}

impl<R: Read + Seek> Shards<R> {
    /// Joins the files. Errors: a name that stands in two of them.
    pub fn new(files: Vec<SafetensorsFile<R>>) -> Result<Self, TensorError> {
        let mut tensors = Vec::new();
        let mut places = Vec::new();
        for (shard, file) in files.iter().enumerate() {
            for (index, tensor) in file.tensors().iter().enumerate() {
                tensors.push(tensor.clone());
                places.push((shard, index));
            }
        }
        let mut names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
            let detail = "lies in two files".to_owned();
            return Err(TensorError::Tensor { name: (*name).to_owned(), detail });
        }
        Ok(Self { files, tensors, places })
    }
}

impl<R: Read + Seek> TensorSource for Shards<R> {
    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn read(&mut self, tensor: usize, offset: u64, into: &mut [u8]) -> Result<(), TensorError> {
        let (shard, index) = self.places.get(tensor).copied().ok_or(TensorError::Truncated)?;
        self.files.get_mut(shard).ok_or(TensorError::Truncated)?.read(index, offset, into)
    }
}
