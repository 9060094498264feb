"""Asterisk's ARI models and events, typed; read by callctl.ari and those who get its events.

Generated from Asterisk's description of its REST interface: do not edit, run
deploy/asterisk/generate_ari_models.py. Fields unknown to that description are kept.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class AriModel(BaseModel):
    """What every model of the REST interface has: unknown fields are kept, not refused."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


class AdditionalParam(AriModel):
    """Asterisk's model AdditionalParam."""

    parameter_name: str
    parameter_value: str


class Application(AriModel):
    """Asterisk's model Application."""

    name: str
    channel_ids: list[str]
    bridge_ids: list[str]
    endpoint_ids: list[str]
    events_allowed: list[dict[str, Any]]
    events_disallowed: list[dict[str, Any]]
    device_names: list[str] | None = None


class Message(AriModel):
    """Asterisk's model Message."""

    type: str
    asterisk_id: str | None = None


class Event(Message):
    """Asterisk's model Event."""

    application: str
    timestamp: datetime


class CallerID(AriModel):
    """Asterisk's model CallerID."""

    name: str
    number: str


class DialplanCEP(AriModel):
    """Asterisk's model DialplanCEP."""

    context: str
    exten: str
    priority: int
    app_name: str
    app_data: str


class Channel(AriModel):
    """Asterisk's model Channel."""

    id: str
    protocol_id: str
    name: str
    state: str
    caller: CallerID
    connected: CallerID
    accountcode: str
    dialplan: DialplanCEP
    creationtime: datetime
    language: str
    channelvars: dict[str, Any] | None = None
    caller_rdnis: str | None = None
    tenantid: str | None = None


class ApplicationMoveFailed(Event):
    """Asterisk's event ApplicationMoveFailed."""

    type: Literal["ApplicationMoveFailed"]
    channel: Channel
    destination: str
    args: list[str]


class ApplicationRegistered(Event):
    """Asterisk's event ApplicationRegistered."""

    type: Literal["ApplicationRegistered"]


class ApplicationReplaced(Event):
    """Asterisk's event ApplicationReplaced."""

    type: Literal["ApplicationReplaced"]


class ApplicationUnregistered(Event):
    """Asterisk's event ApplicationUnregistered."""

    type: Literal["ApplicationUnregistered"]


class BuildInfo(AriModel):
    """Asterisk's model BuildInfo."""

    os: str
    kernel: str
    options: str
    machine: str
    date: str
    user: str


class SystemInfo(AriModel):
    """Asterisk's model SystemInfo."""

    version: str
    entity_id: str


class SetId(AriModel):
    """Asterisk's model SetId."""

    user: str
    group: str


class ConfigInfo(AriModel):
    """Asterisk's model ConfigInfo."""

    name: str
    default_language: str
    setid: SetId
    max_channels: int | None = None
    max_open_files: int | None = None
    max_load: float | None = None


class StatusInfo(AriModel):
    """Asterisk's model StatusInfo."""

    startup_time: datetime
    last_reload_time: datetime


class AsteriskInfo(AriModel):
    """Asterisk's model AsteriskInfo."""

    build: BuildInfo | None = None
    system: SystemInfo | None = None
    config: ConfigInfo | None = None
    status: StatusInfo | None = None


class AsteriskPing(AriModel):
    """Asterisk's model AsteriskPing."""

    asterisk_id: str
    ping: str
    timestamp: str


class Bridge(AriModel):
    """Asterisk's model Bridge."""

    id: str
    technology: str
    bridge_type: str
    bridge_class: str
    creator: str
    name: str
    channels: list[str]
    creationtime: datetime
    video_mode: str | None = None
    video_source_id: str | None = None
    bridgevars: dict[str, Any] | None = None


class BridgeAttendedTransfer(Event):
    """Asterisk's event BridgeAttendedTransfer."""

    type: Literal["BridgeAttendedTransfer"]
    transferer_first_leg: Channel
    transferer_second_leg: Channel
    result: str
    is_external: bool
    destination_type: str
    replace_channel: Channel | None = None
    transferee: Channel | None = None
    transfer_target: Channel | None = None
    transferer_first_leg_bridge: Bridge | None = None
    transferer_second_leg_bridge: Bridge | None = None
    destination_bridge: str | None = None
    destination_application: str | None = None
    destination_link_first_leg: Channel | None = None
    destination_link_second_leg: Channel | None = None
    destination_threeway_channel: Channel | None = None
    destination_threeway_bridge: Bridge | None = None


class BridgeBlindTransfer(Event):
    """Asterisk's event BridgeBlindTransfer."""

    type: Literal["BridgeBlindTransfer"]
    channel: Channel
    exten: str
    context: str
    result: str
    is_external: bool
    replace_channel: Channel | None = None
    transferee: Channel | None = None
    bridge: Bridge | None = None


class BridgeCreated(Event):
    """Asterisk's event BridgeCreated."""

    type: Literal["BridgeCreated"]
    bridge: Bridge


class BridgeDestroyed(Event):
    """Asterisk's event BridgeDestroyed."""

    type: Literal["BridgeDestroyed"]
    bridge: Bridge


class BridgeMerged(Event):
    """Asterisk's event BridgeMerged."""

    type: Literal["BridgeMerged"]
    bridge: Bridge
    bridge_from: Bridge


class BridgeVideoSourceChanged(Event):
    """Asterisk's event BridgeVideoSourceChanged."""

    type: Literal["BridgeVideoSourceChanged"]
    bridge: Bridge
    old_video_source_id: str | None = None


class CallBroadcast(Event):
    """Asterisk's event CallBroadcast."""

    type: Literal["CallBroadcast"]
    channel: Channel
    caller: str | None = None
    called: str | None = None


class CallClaimed(Event):
    """Asterisk's event CallClaimed."""

    type: Literal["CallClaimed"]
    channel: Channel
    winner_app: str


class ChannelCallerId(Event):
    """Asterisk's event ChannelCallerId."""

    type: Literal["ChannelCallerId"]
    caller_presentation: int
    caller_presentation_txt: str
    channel: Channel


class ChannelConnectedLine(Event):
    """Asterisk's event ChannelConnectedLine."""

    type: Literal["ChannelConnectedLine"]
    channel: Channel


class ChannelCreated(Event):
    """Asterisk's event ChannelCreated."""

    type: Literal["ChannelCreated"]
    channel: Channel


class ChannelDestroyed(Event):
    """Asterisk's event ChannelDestroyed."""

    type: Literal["ChannelDestroyed"]
    cause: int
    cause_txt: str
    channel: Channel
    tech_cause: int | None = None


class ChannelDialplan(Event):
    """Asterisk's event ChannelDialplan."""

    type: Literal["ChannelDialplan"]
    channel: Channel
    dialplan_app: str
    dialplan_app_data: str


class ChannelDtmfReceived(Event):
    """Asterisk's event ChannelDtmfReceived."""

    type: Literal["ChannelDtmfReceived"]
    digit: str
    duration_ms: int
    channel: Channel


class ChannelEnteredBridge(Event):
    """Asterisk's event ChannelEnteredBridge."""

    type: Literal["ChannelEnteredBridge"]
    bridge: Bridge
    channel: Channel | None = None


class ChannelHangupRequest(Event):
    """Asterisk's event ChannelHangupRequest."""

    type: Literal["ChannelHangupRequest"]
    channel: Channel
    cause: int | None = None
    tech_cause: int | None = None
    soft: bool | None = None


class ChannelHold(Event):
    """Asterisk's event ChannelHold."""

    type: Literal["ChannelHold"]
    channel: Channel
    musicclass: str | None = None


class ChannelLeftBridge(Event):
    """Asterisk's event ChannelLeftBridge."""

    type: Literal["ChannelLeftBridge"]
    bridge: Bridge
    channel: Channel


class ChannelStateChange(Event):
    """Asterisk's event ChannelStateChange."""

    type: Literal["ChannelStateChange"]
    channel: Channel


class ChannelTalkingFinished(Event):
    """Asterisk's event ChannelTalkingFinished."""

    type: Literal["ChannelTalkingFinished"]
    channel: Channel
    duration: int


class ChannelTalkingStarted(Event):
    """Asterisk's event ChannelTalkingStarted."""

    type: Literal["ChannelTalkingStarted"]
    channel: Channel


class ChannelToneDetected(Event):
    """Asterisk's event ChannelToneDetected."""

    type: Literal["ChannelToneDetected"]
    channel: Channel


class RequiredDestination(AriModel):
    """Asterisk's model RequiredDestination."""

    protocol_id: str | None = None
    destination: str | None = None
    additional_protocol_params: list[AdditionalParam] | None = None


class ReferTo(AriModel):
    """Asterisk's model ReferTo."""

    requested_destination: RequiredDestination
    destination_channel: Channel | None = None
    connected_channel: Channel | None = None
    bridge: Bridge | None = None


class ReferredBy(AriModel):
    """Asterisk's model ReferredBy."""

    source_channel: Channel
    connected_channel: Channel | None = None
    bridge: Bridge | None = None


class ChannelTransfer(Event):
    """Asterisk's event ChannelTransfer."""

    type: Literal["ChannelTransfer"]
    refer_to: ReferTo
    referred_by: ReferredBy
    state: str | None = None


class ChannelUnhold(Event):
    """Asterisk's event ChannelUnhold."""

    type: Literal["ChannelUnhold"]
    channel: Channel


class Endpoint(AriModel):
    """Asterisk's model Endpoint."""

    technology: str
    resource: str
    channel_ids: list[str]
    state: str | None = None


class ChannelUserevent(Event):
    """Asterisk's event ChannelUserevent."""

    type: Literal["ChannelUserevent"]
    eventname: str
    userevent: dict[str, Any]
    channel: Channel | None = None
    bridge: Bridge | None = None
    endpoint: Endpoint | None = None


class ChannelVarset(Event):
    """Asterisk's event ChannelVarset."""

    type: Literal["ChannelVarset"]
    variable: str
    value: str
    channel: Channel | None = None


class ConfigTuple(AriModel):
    """Asterisk's model ConfigTuple."""

    attribute: str
    value: str


class ContactInfo(AriModel):
    """Asterisk's model ContactInfo."""

    uri: str
    contact_status: str
    aor: str
    roundtrip_usec: str | None = None


class ContactStatusChange(Event):
    """Asterisk's event ContactStatusChange."""

    type: Literal["ContactStatusChange"]
    endpoint: Endpoint
    contact_info: ContactInfo


class DeviceState(AriModel):
    """Asterisk's model DeviceState."""

    name: str
    state: str


class DeviceStateChanged(Event):
    """Asterisk's event DeviceStateChanged."""

    type: Literal["DeviceStateChanged"]
    device_state: DeviceState


class Dial(Event):
    """Asterisk's event Dial."""

    type: Literal["Dial"]
    peer: Channel
    dialstatus: str
    caller: Channel | None = None
    forward: str | None = None
    forwarded: Channel | None = None
    dialstring: str | None = None


class Dialed(AriModel):
    """Asterisk's model Dialed."""


class EndpointStateChange(Event):
    """Asterisk's event EndpointStateChange."""

    type: Literal["EndpointStateChange"]
    endpoint: Endpoint


class FormatLangPair(AriModel):
    """Asterisk's model FormatLangPair."""

    language: str
    format: str


class LiveRecording(AriModel):
    """Asterisk's model LiveRecording."""

    name: str
    format: str
    target_uri: str
    state: str
    duration: int | None = None
    talking_duration: int | None = None
    silence_duration: int | None = None
    cause: str | None = None


class LogChannel(AriModel):
    """Asterisk's model LogChannel."""

    channel: str
    type: str
    status: str
    configuration: str


class Mailbox(AriModel):
    """Asterisk's model Mailbox."""

    name: str
    old_messages: int
    new_messages: int


class MissingParams(Message):
    """Asterisk's model MissingParams."""

    params: list[str]


class Module(AriModel):
    """Asterisk's model Module."""

    name: str
    description: str
    use_count: int
    status: str
    support_level: str


class Peer(AriModel):
    """Asterisk's model Peer."""

    peer_status: str
    cause: str | None = None
    address: str | None = None
    port: str | None = None
    time: str | None = None


class PeerStatusChange(Event):
    """Asterisk's event PeerStatusChange."""

    type: Literal["PeerStatusChange"]
    endpoint: Endpoint
    peer: Peer


class Playback(AriModel):
    """Asterisk's model Playback."""

    id: str
    media_uri: str
    target_uri: str
    state: str
    next_media_uri: str | None = None
    language: str | None = None


class PlaybackContinuing(Event):
    """Asterisk's event PlaybackContinuing."""

    type: Literal["PlaybackContinuing"]
    playback: Playback


class PlaybackFinished(Event):
    """Asterisk's event PlaybackFinished."""

    type: Literal["PlaybackFinished"]
    playback: Playback


class PlaybackStarted(Event):
    """Asterisk's event PlaybackStarted."""

    type: Literal["PlaybackStarted"]
    playback: Playback


class RESTHeader(AriModel):
    """Asterisk's model RESTHeader."""

    name: str
    value: str


class RESTQueryStringParameter(AriModel):
    """Asterisk's model RESTQueryStringParameter."""

    name: str
    value: str


class RESTRequest(AriModel):
    """Asterisk's model RESTRequest."""

    type: str
    transaction_id: str
    request_id: str
    method: str
    uri: str
    content_type: str | None = None
    query_strings: list[RESTQueryStringParameter] | None = None
    message_body: str | None = None


class RESTResponse(Event):
    """Asterisk's event RESTResponse."""

    type: Literal["RESTResponse"]
    transaction_id: str
    request_id: str
    status_code: int
    reason_phrase: str
    uri: str
    content_type: str | None = None
    message_body: str | None = None


class RTPstat(AriModel):
    """Asterisk's model RTPstat."""

    txcount: int
    rxcount: int
    txploss: int
    rxploss: int
    local_ssrc: int
    remote_ssrc: int
    txoctetcount: int
    rxoctetcount: int
    channel_uniqueid: str
    txjitter: float | None = None
    rxjitter: float | None = None
    remote_maxjitter: float | None = None
    remote_minjitter: float | None = None
    remote_normdevjitter: float | None = None
    remote_stdevjitter: float | None = None
    local_maxjitter: float | None = None
    local_minjitter: float | None = None
    local_normdevjitter: float | None = None
    local_stdevjitter: float | None = None
    remote_maxrxploss: float | None = None
    remote_minrxploss: float | None = None
    remote_normdevrxploss: float | None = None
    remote_stdevrxploss: float | None = None
    local_maxrxploss: float | None = None
    local_minrxploss: float | None = None
    local_normdevrxploss: float | None = None
    local_stdevrxploss: float | None = None
    rtt: float | None = None
    maxrtt: float | None = None
    minrtt: float | None = None
    normdevrtt: float | None = None
    stdevrtt: float | None = None


class RecordingFailed(Event):
    """Asterisk's event RecordingFailed."""

    type: Literal["RecordingFailed"]
    recording: LiveRecording


class RecordingFinished(Event):
    """Asterisk's event RecordingFinished."""

    type: Literal["RecordingFinished"]
    recording: LiveRecording


class RecordingStarted(Event):
    """Asterisk's event RecordingStarted."""

    type: Literal["RecordingStarted"]
    recording: LiveRecording


class Sound(AriModel):
    """Asterisk's model Sound."""

    id: str
    formats: list[FormatLangPair]
    text: str | None = None


class StasisEnd(Event):
    """Asterisk's event StasisEnd."""

    type: Literal["StasisEnd"]
    channel: Channel


class StasisStart(Event):
    """Asterisk's event StasisStart."""

    type: Literal["StasisStart"]
    args: list[str]
    channel: Channel
    replace_channel: Channel | None = None


class StoredRecording(AriModel):
    """Asterisk's model StoredRecording."""

    name: str
    format: str


class TextMessage(AriModel):
    """Asterisk's model TextMessage."""

    from_: str = Field(alias="from")
    to: str
    body: str
    variables: dict[str, Any] | None = None


class TextMessageReceived(Event):
    """Asterisk's event TextMessageReceived."""

    type: Literal["TextMessageReceived"]
    message: TextMessage
    endpoint: Endpoint | None = None


class Variable(AriModel):
    """Asterisk's model Variable."""

    value: str


class Variables(AriModel):
    """Asterisk's model Variables."""

    variables: dict[str, Any]


EVENTS: dict[str, type[Event]] = {
    "ApplicationMoveFailed": ApplicationMoveFailed,
    "ApplicationRegistered": ApplicationRegistered,
    "ApplicationReplaced": ApplicationReplaced,
    "ApplicationUnregistered": ApplicationUnregistered,
    "BridgeAttendedTransfer": BridgeAttendedTransfer,
    "BridgeBlindTransfer": BridgeBlindTransfer,
    "BridgeCreated": BridgeCreated,
    "BridgeDestroyed": BridgeDestroyed,
    "BridgeMerged": BridgeMerged,
    "BridgeVideoSourceChanged": BridgeVideoSourceChanged,
    "CallBroadcast": CallBroadcast,
    "CallClaimed": CallClaimed,
    "ChannelCallerId": ChannelCallerId,
    "ChannelConnectedLine": ChannelConnectedLine,
    "ChannelCreated": ChannelCreated,
    "ChannelDestroyed": ChannelDestroyed,
    "ChannelDialplan": ChannelDialplan,
    "ChannelDtmfReceived": ChannelDtmfReceived,
    "ChannelEnteredBridge": ChannelEnteredBridge,
    "ChannelHangupRequest": ChannelHangupRequest,
    "ChannelHold": ChannelHold,
    "ChannelLeftBridge": ChannelLeftBridge,
    "ChannelStateChange": ChannelStateChange,
    "ChannelTalkingFinished": ChannelTalkingFinished,
    "ChannelTalkingStarted": ChannelTalkingStarted,
    "ChannelToneDetected": ChannelToneDetected,
    "ChannelTransfer": ChannelTransfer,
    "ChannelUnhold": ChannelUnhold,
    "ChannelUserevent": ChannelUserevent,
    "ChannelVarset": ChannelVarset,
    "ContactStatusChange": ContactStatusChange,
    "DeviceStateChanged": DeviceStateChanged,
    "Dial": Dial,
    "EndpointStateChange": EndpointStateChange,
    "PeerStatusChange": PeerStatusChange,
    "PlaybackContinuing": PlaybackContinuing,
    "PlaybackFinished": PlaybackFinished,
    "PlaybackStarted": PlaybackStarted,
    "RESTResponse": RESTResponse,
    "RecordingFailed": RecordingFailed,
    "RecordingFinished": RecordingFinished,
    "RecordingStarted": RecordingStarted,
    "StasisEnd": StasisEnd,
    "StasisStart": StasisStart,
    "TextMessageReceived": TextMessageReceived,
}
