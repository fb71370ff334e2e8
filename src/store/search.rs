//! Full-text search over sealed messages. There is no index of words on the disk, because it would tell what the
//! messages say; messages are opened one after the other, newest first, on several threads, and reported as they
//! are found.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    MessageRecord, SearchEnd, Store, StoreError,
    codec::content_of,
    engine::{Bytes, EngineError},
    layout::{Table, position_of, thread_key},
    value::ReadError,
};
use crate::wire::Conversation;

/// Messages opened before the first results are reported.
const FIRST_CHUNK: usize = 128;
/// Messages opened at a time later on, while as many are fetched.
const CHUNK: usize = 2048;
/// Most threads that open messages.
const WORKERS_MAX: usize = 4;

/// A message as the engine holds it.
type Sealed = (Bytes, Bytes);

/// What a look into one message told.
enum Look {
    Hit(u64),
    Miss,
    Damaged,
}

impl Store {
    /// Messages that contain all words of `text`, in either case, newest first, in all conversations or one.
    /// `emit` gets each as it is found and may break off; `cancel` ends the search from another thread.
    ///
    /// # Errors
    /// When the store fails; damaged messages are skipped and counted.
    pub fn search(
        &self,
        text: &str,
        conversation: Option<&Conversation>,
        cancel: &AtomicBool,
        mut emit: impl FnMut(u64, MessageRecord) -> ControlFlow<()>,
    ) -> Result<SearchEnd, StoreError> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let mut end = SearchEnd { scanned: 0, hits: 0, complete: true, damaged: 0 };
        if words.is_empty() {
            return Ok(end);
        }
        let mut messages = self.sealed_messages(conversation);
        let mut fetch = |size| messages.by_ref().take(size).collect::<Result<Vec<Sealed>, StoreError>>();
        let mut size = FIRST_CHUNK;
        let mut chunk = fetch(size)?;
        while !chunk.is_empty() {
            size = CHUNK.min(size * 2);
            let (looks, next) = self.look_into(&chunk, &words, cancel, || fetch(size));
            for look in looks? {
                end.scanned += 1;
                match look {
                    Look::Miss => {}
                    Look::Damaged => end.damaged += 1,
                    Look::Hit(position) => {
                        let Some(record) = self.message_at(position)? else { continue };
                        end.hits += 1;
                        if emit(position, record).is_break() {
                            return Ok(SearchEnd { complete: false, ..end });
                        }
                    }
                }
            }
            if cancel.load(Ordering::Relaxed) {
                return Ok(SearchEnd { complete: false, ..end });
            }
            chunk = next?;
        }
        Ok(end)
    }

    /// All messages or those of a conversation, newest first, unopened.
    fn sealed_messages<'a>(
        &'a self,
        conversation: Option<&Conversation>,
    ) -> Box<dyn Iterator<Item = Result<Sealed, StoreError>> + 'a> {
        let engine = &self.vault.engine;
        let Some(conversation) = conversation else {
            let all = engine.scan(&Table::Messages.start(), &Table::Messages.end(), true);
            return Box::new(all.map(|entry| entry.map_err(StoreError::from)));
        };
        let thread = thread_key(&self.vault.keys, conversation);
        Box::new(self.thread_positions(&thread, None, None, true).filter_map(move |position| {
            let read = || -> Result<Option<Sealed>, StoreError> {
                let key = Table::Messages.key(&[&position?.to_be_bytes()]);
                let stored = engine.get(&key)?;
                Ok(stored.map(|stored| (Bytes::Memory(key.into()), stored)))
            };
            read().transpose()
        }))
    }

    /// Looks into messages on as many threads as there are processors, while this thread does what comes `meanwhile`.
    /// Ends early when cancelled.
    fn look_into<T>(
        &self,
        chunk: &[Sealed],
        words: &[String],
        cancel: &AtomicBool,
        meanwhile: impl FnOnce() -> T,
    ) -> (Result<Vec<Look>, EngineError>, T) {
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
        let part = chunk.len().div_ceil(workers).max(FIRST_CHUNK);
        let look_at = |part: &[Sealed]| -> Result<Vec<Look>, EngineError> {
            let mut folded = String::new();
            let mut looks = Vec::with_capacity(part.len());
            for (key, stored) in part {
                if cancel.load(Ordering::Relaxed) {
                    break;
                }
                looks.push(self.look(key, stored, words, &mut folded)?);
            }
            Ok(looks)
        };
        std::thread::scope(|scope| {
            let look_at = &look_at;
            let workers: Vec<_> = chunk.chunks(part).map(|part| scope.spawn(move || look_at(part))).collect();
            let done = meanwhile();
            let gone = |_| Err(EngineError::Damaged("a search thread gave up".to_owned()));
            let parts = workers.into_iter().map(|worker| worker.join().unwrap_or_else(gone));
            let looks: Result<Vec<Vec<Look>>, EngineError> = parts.collect();
            (looks.map(|looks| looks.into_iter().flatten().collect()), done)
        })
    }

    /// Looks whether a message contains all words. `folded` is room for its content in lower case.
    fn look(&self, key: &[u8], stored: &[u8], words: &[String], folded: &mut String) -> Result<Look, EngineError> {
        let plain = match self.vault.unseal(key, stored) {
            Ok(plain) => plain,
            Err(ReadError::Value) => return Ok(Look::Damaged),
            Err(ReadError::Engine(error)) => return Err(error),
        };
        let (Ok(content), Some(position)) = (content_of(&plain), position_of(key)) else { return Ok(Look::Damaged) };
        folded.clear();
        if content.is_ascii() {
            folded.push_str(content);
            folded.make_ascii_lowercase();
        } else {
            *folded = content.to_lowercase();
        }
        let all = words.iter().all(|word| folded.contains(word.as_str()));
        Ok(if all { Look::Hit(position) } else { Look::Miss })
    }
}
