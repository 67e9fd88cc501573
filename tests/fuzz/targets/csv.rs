//! Any file saved as text.
#![no_main]

mod sheet;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| sheet::read(bytes));
