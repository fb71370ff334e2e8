//! One room a peer: found, joined or made.
//!
//! A room of ours has the type [`ROOM_TYPE`], which an invitation shows already: other invitations are left to the user's other
//! clients. When both sides make a room at the same time, both join both, and both write into the one with the smaller id.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use matrix_sdk::{
    Room, RoomMemberships, RoomState,
    ruma::{
        OwnedRoomId, OwnedUserId, RoomId, UserId,
        api::client::room::create_room::v3::{CreationContent, Request as CreateRoom, RoomPreset},
        assign,
        events::{
            InitialStateEvent,
            room::{encryption::RoomEncryptionEventContent, member::MembershipState},
        },
        room::RoomType,
        serde::Raw,
    },
};
use tokio::time::{Instant, timeout};

use super::{lock, session::Session, trouble::Trouble};
use crate::{
    delivery::{Reason, ReasonKind},
    transport::running::Tasks,
};

/// The type of our rooms, in the content of `m.room.create`.
pub(super) const ROOM_TYPE: &str = "skcomm.direct";
const ROOM_NAME: &str = "skcomm-tui";
const ROOM_TOPIC: &str = "Sealed messages between two nodes of skcomm-tui.";
/// Rooms with the same peer: one, and a few that were made at the same time or by a peer that lost its own record.
const ROOMS_PER_PEER: usize = 4;
/// Invitations that are looked at in one go.
const INVITATIONS: usize = 16;
/// Invitations that failed or were declined and are not looked at again in this run.
const SET_ASIDE: usize = 1024;
/// Time for answering one invitation; a server far away may be slow.
const ANSWER: Duration = Duration::from_secs(60);
/// How often a peer that left is invited again.
const INVITE_AGAIN: Duration = Duration::from_secs(3600);

type Opening = Shared<BoxFuture<'static, Result<OwnedRoomId, Trouble>>>;

/// Who is in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// The other one.
    pub(super) peer: OwnedUserId,
    /// Whether the peer is in it, or at least invited.
    pub(super) standing: Standing,
    /// Whether anybody else is in it or invited: then nothing is sent into it.
    pub(super) others: bool,
}

/// How a peer stands to a room. The order is that of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Joined.
    Joined,
    /// Invited.
    Invited,
    /// Declined, left, banned.
    Gone,
}

/// The rooms with peers.
#[derive(Default)]
pub(super) struct Rooms {
    views: Mutex<BTreeMap<OwnedRoomId, View>>,
    opening: Mutex<HashMap<OwnedUserId, Opening>>,
    invited_again: Mutex<HashMap<OwnedRoomId, Instant>>,
    set_aside: Mutex<HashSet<OwnedRoomId>>,
}

impl Rooms {
    /// Who is in the room.
    pub(super) fn view(&self, room: &RoomId) -> Option<View> {
        lock(&self.views).get(room).cloned()
    }

    /// We are not in the room any more.
    pub(super) fn remove(&self, room: &RoomId) {
        lock(&self.views).remove(room);
    }

    /// The best room to write to `peer`, or the best one that `peer` has left.
    fn choose(&self, peer: &UserId, fits: impl Fn(&RoomId) -> bool) -> Option<(OwnedRoomId, Standing)> {
        let views = lock(&self.views);
        let of_peer = views.iter().filter(|(room, view)| view.peer == peer && !view.others && fits(room));
        of_peer.map(|(room, view)| (view.standing, room)).min().map(|(standing, room)| (room.clone(), standing))
    }

    fn count(&self, counted: impl Fn(&View) -> bool) -> usize {
        lock(&self.views).values().filter(|view| counted(view)).count()
    }
}

/// Whether a room is one of ours, by its type.
pub(super) fn is_ours(room: &Room) -> bool {
    room.room_type().is_some_and(|kind| kind.as_str() == ROOM_TYPE)
}

/// Whether something may be written into the room.
fn is_ready(room: &Room) -> bool {
    room.state() == RoomState::Joined && room.encryption_state().is_encrypted()
}

/// Reads the members anew. The SDK may have read them before the peer was invited, and takes its list for complete.
async fn read_members(room: &Room) -> Result<(), Trouble> {
    room.mark_members_missing();
    Ok(room.sync_members().await?)
}

impl Session {
    /// Looks at the members of a room that we are in.
    ///
    /// # Errors
    /// When the homeserver does not tell.
    pub(super) async fn look_at(&self, room: &Room) -> Result<Option<View>, Trouble> {
        // Members that are read before the room is known to be encrypted get no keys: the SDK follows their devices only then.
        // A room that is being made shows itself without its encryption for a moment; it is looked at again.
        if !room.encryption_state().is_encrypted() {
            return Ok(self.rooms.view(room.room_id()));
        }
        // A room of many is none of ours, and its list of members may be of any length.
        if room.joined_members_count() > 2 {
            if let Some(view) = lock(&self.rooms.views).get_mut(room.room_id()) {
                view.others = true;
            }
            return Ok(self.rooms.view(room.room_id()));
        }
        let members = room.members(RoomMemberships::empty()).await?;
        let standing = |membership: &MembershipState| match membership {
            MembershipState::Join => Standing::Joined,
            MembershipState::Invite => Standing::Invited,
            _ => Standing::Gone,
        };
        let others = members.iter().filter(|member| member.user_id() != self.user);
        let mut others: Vec<_> =
            others.map(|member| (standing(member.membership()), member.user_id().to_owned())).collect();
        others.sort();
        let before = self.rooms.view(room.room_id());
        // The peer of a room stays the same, whoever else comes and goes.
        let own = before.as_ref().and_then(|view| others.iter().find(|(_, user)| *user == view.peer));
        let Some((standing, peer)) = own.or(others.first()).cloned() else { return Ok(before) };
        let strangers = others.iter().filter(|(s, user)| *s != Standing::Gone && *user != peer).count();
        let view = View { peer, standing, others: strangers > 0 };
        lock(&self.rooms.views).insert(room.room_id().to_owned(), view.clone());
        Ok(Some(view))
    }

    /// The room for `peer`: one that is there, else one that is joined or made now.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn room_for(self: &Arc<Self>, peer: &UserId, tasks: &Tasks) -> Result<Room, Trouble> {
        let id = match self.ready_room(peer) {
            Some((id, Standing::Joined | Standing::Invited)) => id,
            _ => self.open(peer, tasks).await?,
        };
        let gone = || Trouble::new(ReasonKind::NoRoute, "the room is gone");
        let room = self.client.get_room(&id).ok_or_else(gone)?;
        if !is_ready(&room) {
            // The homeserver is asked only while it has not said anything about it.
            room.request_encryption_state().await?;
        }
        if !is_ready(&room) {
            return Err(Trouble::new(ReasonKind::NoRoute, "the room is not encrypted"));
        }
        // The SDK encrypts for the members it knows.
        let member = room.get_member_no_sync(peer).await?;
        let active =
            |membership: &MembershipState| matches!(membership, MembershipState::Join | MembershipState::Invite);
        if !member.is_some_and(|member| active(member.membership())) {
            read_members(&room).await?;
        }
        Ok(room)
    }

    fn ready_room(&self, peer: &UserId) -> Option<(OwnedRoomId, Standing)> {
        self.rooms.choose(peer, |id| self.client.get_room(id).is_some_and(|room| is_ready(&room)))
    }

    /// Opens a room, once for all who ask at the same time and to its end even when they are gone: what is half made would be
    /// made twice.
    async fn open(self: &Arc<Self>, peer: &UserId, tasks: &Tasks) -> Result<OwnedRoomId, Trouble> {
        let opening = {
            let mut all = lock(&self.rooms.opening);
            match all.get(peer) {
                Some(opening) => opening.clone(),
                None => {
                    let (session, user) = (self.clone(), peer.to_owned());
                    let task = tasks.track(async move {
                        let opened = session.open_now(&user).await;
                        lock(&session.rooms.opening).remove(&user);
                        opened
                    });
                    let stopped = |_| Err(Trouble::new(ReasonKind::Stopping, "the transport is stopping"));
                    let opening = task.map(move |done| done.unwrap_or_else(stopped)).boxed().shared();
                    all.insert(peer.to_owned(), opening.clone());
                    opening
                }
            }
        };
        opening.await
    }

    async fn open_now(&self, peer: &UserId) -> Result<OwnedRoomId, Trouble> {
        self.keeper.know(peer.as_str()).await?;
        for room in self.client.invited_rooms().into_iter().filter(is_ours) {
            if self.inviter(&room).await.is_some_and(|user| user == peer) && self.join(&room, peer).await? {
                break;
            }
        }
        match self.ready_room(peer) {
            Some((id, Standing::Joined | Standing::Invited)) => Ok(id),
            Some((id, Standing::Gone)) => self.invite_again(id, peer).await,
            None => self.make(peer).await,
        }
    }

    async fn invite_again(&self, id: OwnedRoomId, peer: &UserId) -> Result<OwnedRoomId, Trouble> {
        let last = lock(&self.rooms.invited_again).get(&id).copied();
        let gone = || Reason::new(ReasonKind::NoRoute, format!("{peer} has left the room or declined to come"));
        if let Some(rest) = last.and_then(|last| INVITE_AGAIN.checked_sub(last.elapsed())) {
            return Err(Trouble { wait: Some(rest), ..gone().into() });
        }
        let room = self.client.get_room(&id).ok_or_else(gone)?;
        lock(&self.rooms.invited_again).insert(id.clone(), Instant::now());
        room.invite_user_by_id(peer).await?;
        read_members(&room).await?;
        if let Some(view) = lock(&self.rooms.views).get_mut(&id) {
            view.standing = Standing::Invited;
        }
        Ok(id)
    }

    async fn make(&self, peer: &UserId) -> Result<OwnedRoomId, Trouble> {
        let kind = assign!(CreationContent::new(), { room_type: Some(RoomType::from(ROOM_TYPE)) });
        let kind = Raw::new(&kind).map_err(|error| Trouble::new(ReasonKind::Other, error.to_string()))?;
        let encryption = RoomEncryptionEventContent::with_recommended_defaults();
        let request = assign!(CreateRoom::new(), {
            creation_content: Some(kind),
            initial_state: vec![InitialStateEvent::with_empty_state_key(encryption).to_raw_any()],
            invite: vec![peer.to_owned()],
            is_direct: true,
            name: Some(ROOM_NAME.to_owned()),
            topic: Some(ROOM_TOPIC.to_owned()),
            preset: Some(RoomPreset::TrustedPrivateChat),
        });
        let room = self.client.create_room(request).await?;
        room.request_encryption_state().await?;
        read_members(&room).await?;
        let view = View { peer: peer.to_owned(), standing: Standing::Invited, others: false };
        lock(&self.rooms.views).insert(room.room_id().to_owned(), view);
        Ok(room.room_id().to_owned())
    }

    /// Answers invitations into rooms of ours: joins, or declines what is too much. Returns what was declined.
    pub(super) async fn answer_invitations(&self, strangers: usize) -> Vec<Reason> {
        let mut declined = Vec::new();
        let fresh = |room: &Room| is_ours(room) && !lock(&self.rooms.set_aside).contains(room.room_id());
        for room in self.client.invited_rooms().into_iter().filter(fresh).take(INVITATIONS) {
            let answered = timeout(ANSWER, self.answer(&room, strangers)).await;
            let late = |_| Err(Trouble::new(ReasonKind::Timeout, "an invitation took too long to answer"));
            if let Err(trouble) = answered.unwrap_or_else(late) {
                use ReasonKind::{Disconnected, RateLimited, Timeout, Unreachable};
                let passing = matches!(trouble.reason.kind, Disconnected | RateLimited | Timeout | Unreachable);
                declined.push(trouble.reason);
                if passing {
                    continue;
                }
                let mut aside = lock(&self.rooms.set_aside);
                if aside.len() >= SET_ASIDE {
                    aside.clear();
                }
                aside.insert(room.room_id().to_owned());
            }
        }
        declined
    }

    async fn answer(&self, room: &Room, strangers: usize) -> Result<(), Trouble> {
        let Some(inviter) = self.inviter(room).await else {
            return Err(Trouble::new(ReasonKind::Protocol, "an invitation that does not say of whom"));
        };
        let known = |user: &UserId| self.keeper.knows(user.as_str());
        let too_many = self.rooms.count(|view| view.peer == inviter) >= ROOMS_PER_PEER;
        if too_many || (!known(&inviter) && self.rooms.count(|view| !known(&view.peer)) >= strangers) {
            room.leave().await?;
            let told = if too_many { "who has enough rooms" } else { "a stranger, of whom there are enough" };
            return Err(Trouble::new(ReasonKind::QueueFull, format!("declined an invitation of {inviter}, {told}")));
        }
        self.join(room, &inviter).await.map(drop)
    }

    /// Joins a room, and leaves it again when it is not what an invitation of `inviter` should be.
    async fn join(&self, room: &Room, inviter: &UserId) -> Result<bool, Trouble> {
        let id = room.room_id().to_owned();
        // Before we are in it: what was written while the invitation waited must be read, also after a crash.
        self.keeper.change(|place| place.fresh.insert(id.to_string())).await?;
        let room = self.client.join_room_by_id(&id).await?;
        let encrypted = room.latest_encryption_state().await?.is_encrypted();
        let view = self.look_at(&room).await?;
        let right = encrypted && view.as_ref().is_some_and(|view| view.peer == inviter && !view.others);
        if right {
            return Ok(true);
        }
        self.rooms.remove(&id);
        self.keeper.change(|place| place.fresh.remove(id.as_str())).await?;
        room.leave().await?;
        let told = if encrypted { "with others in it" } else { "that is not encrypted" };
        Err(Trouble::new(ReasonKind::Protocol, format!("left a room of {inviter} {told}")))
    }

    async fn inviter(&self, room: &Room) -> Option<OwnedUserId> {
        room.invite_details().await.ok().map(|details| details.inviter_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(views: &[(&str, &str, Standing, bool)]) -> Rooms {
        let rooms = Rooms::default();
        for (id, peer, standing, others) in views {
            let view = View { peer: UserId::parse(*peer).unwrap(), standing: *standing, others: *others };
            lock(&rooms.views).insert(RoomId::parse(*id).unwrap(), view);
        }
        rooms
    }

    #[test]
    fn both_sides_choose_the_same_room() {
        use Standing::{Gone, Invited, Joined};
        let peer = UserId::parse("@b:x").unwrap();
        let choose = |views: &[(&str, &str, Standing, bool)]| {
            rooms(views).choose(&peer, |id| id != "!plain:x").map(|(id, standing)| (id.to_string(), standing))
        };
        assert_eq!(choose(&[("!a:x", "@c:x", Joined, false)]), None);
        let both = [("!b:x", "@b:x", Joined, false), ("!a:x", "@b:x", Joined, false)];
        assert_eq!(choose(&both), Some(("!a:x".into(), Joined)), "the smaller id");
        let one = [("!b:x", "@b:x", Joined, false), ("!a:x", "@b:x", Invited, false)];
        assert_eq!(choose(&one), Some(("!b:x".into(), Joined)), "the one where the peer is");
        let left = [("!b:x", "@b:x", Invited, false), ("!a:x", "@b:x", Gone, false)];
        assert_eq!(choose(&left), Some(("!b:x".into(), Invited)));
        assert_eq!(choose(&[("!a:x", "@b:x", Gone, false)]), Some(("!a:x".into(), Gone)));
        assert_eq!(choose(&[("!a:x", "@b:x", Joined, true)]), None, "somebody else is in it");
        assert_eq!(choose(&[("!plain:x", "@b:x", Joined, false)]), None, "not encrypted");
    }
}
