"""The settings of one callctl process, from the environment (CALLCTL_*); read by app, stack, cli.

What belongs to a tenant, a number or a line is not here but in the directory (callctl apply).
"""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ENVIRONMENT_FILE = "callctl.env"
"""In var_dir while `callctl run` runs: its settings, for the commands typed beside it."""


class Settings(BaseSettings):
    """Every field can be set as CALLCTL_<FIELD>; the description says what it is."""

    model_config = SettingsConfigDict(env_prefix="CALLCTL_", extra="ignore")

    database_url: str | None = Field(
        default=None, description="PostgreSQL 15 or later; unset: the embedded server in var_dir"
    )
    database_pool_size: int = Field(default=6, ge=2, le=100)
    database_timeout_seconds: float = Field(
        default=5.0, gt=0, le=60, description="Deadline of one statement"
    )
    pg_bin: Path | None = Field(
        default=None, description="Folder of initdb and postgres for the embedded server"
    )
    var_dir: Path = Field(default=Path("var/run"), description="Where this instance keeps files")
    sounds_dir: Path | None = Field(
        default=None, description="Asterisk's sounds, where tenants' audio is put"
    )
    asterisk: str | None = Field(
        default=None,
        description="This Asterisk's name: switches of one name stand by for each other; "
        "unset: ARI_URL",
    )
    legs_path: Path | None = Field(
        default=None, description="Asterisk's own record of legs: tells a restart when calls ended"
    )
    ari_url: str = Field(default="http://127.0.0.1:8088", description="Asterisk's HTTP server")
    ari_user: str = "callctl"
    ari_password: str = Field(default="", repr=False)
    ari_app: str = Field(default="callctl", pattern=r"^[a-z][a-z0-9_-]{0,30}$")
    ami_host: str = "127.0.0.1"
    ami_port: int = Field(default=5038, ge=1, le=65535)
    ami_user: str = "callctl"
    ami_password: str = Field(default="", repr=False)
    agi_host: str = "127.0.0.1"
    agi_port: int = Field(default=4573, ge=1, le=65535)
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8080, ge=1, le=65535)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(
        default=9464, ge=1, le=65535, description="The switch's metrics and health"
    )
    recordings_dir: Path = Field(
        default=Path("/var/spool/asterisk/recording"),
        description="The folder that Asterisk records to, as this process sees it",
    )
    smtp_host: str = Field(default="", description="Where voicemails are handed in; unset: nowhere")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="465: encrypted at once")
    smtp_user: str = ""
    smtp_password: str = Field(default="", repr=False)
    smtp_sender: str = Field(default="callctl@localhost", pattern=r"^[^@\s<>]+@[^@\s<>]+$")
    smtp_starttls: bool = Field(default=True, description="Never without encryption")
    slice_seconds: int = Field(
        default=150, ge=2, le=3600, description="Talk time reserved at a time"
    )
    renew_lead_seconds: float = Field(
        default=2.0, ge=0.2, le=60, description="Latest renewal before the paid time ends"
    )
    calls_max: int = Field(default=2500, ge=1, description="Calls at once; more are refused")
    crash_at: str | None = Field(
        default=None,
        pattern=r"^[^:]+:[1-9]\d{0,5}$",
        description="For fault tests: end as by kill -9 at the Nth time by a point, NAME:N",
    )
    crash_points_path: Path | None = Field(
        default=None, description="For fault tests: a file that is told each crash point passed"
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @property
    def asterisk_name(self) -> str:
        """What the lease of this Asterisk is called."""
        return self.asterisk or self.ari_url

    @property
    def cdrs_folder(self) -> Path:
        """Where CDRs wait while PostgreSQL is away."""
        return self.var_dir / "cdrs"

    @property
    def sounds_folder(self) -> Path:
        """Where this instance's Asterisk looks for sounds."""
        return self.sounds_dir or self.var_dir / "sounds"
