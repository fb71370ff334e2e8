//! Feeds the TCP frame decoder whatever comes, split wherever the first byte says, and checks that what it
//! accepts is encoded to the same bytes again.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use skcomm_tui::transport::tcp::frame::{FrameCodec, take_preamble};
use tokio_util::codec::{Decoder as _, Encoder as _};

fuzz_target!(|data: &[u8]| {
    let Some((&step, stream)) = data.split_first() else { return };
    let _ = take_preamble(&mut BytesMut::from(stream));
    let (mut buffer, mut again, mut read) = (BytesMut::new(), BytesMut::new(), 0);
    for chunk in stream.chunks(usize::from(step).max(1)) {
        buffer.extend_from_slice(chunk);
        read += chunk.len();
        loop {
            match FrameCodec.decode(&mut buffer) {
                Ok(Some(frame)) => {
                    let _ = frame.reason();
                    FrameCodec.encode(&frame, &mut again).expect("what was accepted can be sent");
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
        assert_eq!(again[..], stream[..read - buffer.len()], "decoding and encoding are inverse");
    }
});
