# What an image lets its own helpers do: drop-ins beside their units, which lie in nix/image. Each runs as root, because it
# mounts, formats or installs; so each keeps only what it does.
settings:
let
  text = import ./text.nix;
  hardening = import ./hardening.nix;

  disks = [ "block-* rw" ];

  confined = given@{ lines ? [ ], umask ? "0077", ... }: text.linesOf [
    "[Service]"
    "UMask=${umask}"
    lines
    (text.linesWithin (hardening ({ asRoot = true; ownProcesses = true; } // removeAttrs given [ "lines" "umask" ])))
  ];

  writesRelease = "ReadWritePaths=-/efi -/var/lib/paddock-update";
  update = more: confined ({
    lines = [ writesRelease ];
    capabilities = "CAP_DAC_OVERRIDE";
    capabilitiesWhy = "The gateway's folder, and what it asks for, belong to its user.";
    devices = disks;
  } // more);

  helpers = {
    paddock-provision = confined {
      lines = [ "ReadWritePaths=/config /run /var" ];
      # systemd-networkd reads what it makes, as a user of its own.
      umask = "0022";
      capabilities = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_SYS_ADMIN";
      capabilitiesWhy = "What it makes belongs to the gateway. CAP_SYS_ADMIN: the machine's name.";
      systemCallsToo = "@chown sethostname";
      families = "AF_UNIX";
      # Lights of the board.
      mayTuneKernel = true;
      mayNameHost = true;
      offline = true;
    };
    paddock-factory-reset = confined {
      lines = [ "ReadWritePaths=/config" ];
      families = "AF_UNIX";
      devices = disks ++ [ "char-tpm rw" ];
      offline = true;
      beforeVar = true;
    };
    paddock-open-data = confined {
      lines = [ "ReadWritePaths=/run/paddock-boot" ];
      capabilities = "CAP_SYS_ADMIN CAP_MKNOD";
      capabilitiesWhy = "The device mapper, and /dev/mapper/data.";
      systemCallsToo = "@chown";
      systemCallsWhy = "dmsetup says of the device that it makes whose it is: root's.";
      families = "AF_UNIX";
      devices = [ "block-* rwm" "/dev/mapper/control rw" "char-tpm rw" ];
      offline = true;
      # dmsetup looks into /proc/devices.
      ownProcesses = false;
      beforeVar = true;
    };
    paddock-names = confined {
      lines = [ "ReadWritePaths=/run" ];
      # libc asks for names as every user.
      umask = "0022";
      offline = true;
      compiles = false;
    };
    paddock-little-memory = confined { offline = true; compiles = false; };
    paddock-coldplug = confined {
      # It writes to /sys, and listens to what the kernel says of devices.
      mayTuneKernel = true;
      families = "AF_UNIX AF_NETLINK";
      compiles = false;
    };
    paddock-update = update {
      lines = [
        writesRelease
        "# One server and its name, never a group of hosts."
        "IPAddressDeny=any"
        "IPAddressAllow=localhost 2000::/3 64:ff9b::/96 fc00::/7 fe80::/10 0.0.0.0/1 128.0.0.0/2 192.0.0.0/3"
      ];
      families = "AF_UNIX AF_INET AF_INET6";
    };
    # It reads a file system of strangers, which systemd mounts for it. A light of the board says what was refused.
    paddock-stick = update { families = "AF_UNIX"; offline = true; mayTuneKernel = true; };
    paddock-update-gate = update { families = "AF_UNIX"; offline = true; };
    paddock-update-leaving = update { families = "AF_UNIX"; offline = true; };
  };
in
text.filesWhen settings.image.enable (text.joined (map
  (name: { "etc/systemd/system/${name}.service.d/hardening.conf" = helpers.${name}; })
  (builtins.attrNames helpers)))
