# Sourced: writes OCI image layouts with tar, gzip and jq. The same input gives the same bytes: entries are sorted, belong to root and have
# one time (SOURCE_DATE_EPOCH), and gzip stores no name.
: "${SOURCE_DATE_EPOCH:=0}"
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)

# add_blob LAYOUT FILE MEDIATYPE: moves the file into the layout and prints its descriptor.
add_blob() {
  local digest size
  digest=$(sha256sum "$2" | cut -d' ' -f1) size=$(stat -c %s "$2")
  mkdir -p "$1/blobs/sha256"
  mv "$2" "$1/blobs/sha256/$digest"
  jq -nc --arg type "$3" --arg digest "sha256:$digest" --argjson size "$size" '{mediaType: $type, digest: $digest, size: $size}'
}

# pack_folder LAYOUT FOLDER: the folder as a layer; prints {"diff_id": …, "layer": descriptor}. Root owns every file; modes are kept, so
# that other users read what root made readable.
pack_folder() {
  local tar diff_id
  tar=$(mktemp -p "$1")
  tar -C "$2" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=posix \
    --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime,delete=mtime -cf "$tar" .
  diff_id=sha256:$(sha256sum "$tar" | cut -d' ' -f1)
  gzip -n "$tar"
  jq -nc --arg diff_id "$diff_id" --argjson layer "$(add_blob "$1" "$tar.gz" application/vnd.oci.image.layer.v1.tar+gzip)" \
    '{diff_id: $diff_id, layer: $layer}'
}

# add_image LAYOUT ARCHITECTURE CONFIG LAYERS: adds config and manifest of one platform, prints the manifest's descriptor.
# CONFIG: an OCI image config without rootfs. LAYERS: an array of what pack_folder prints, lowest first.
add_image() {
  local config manifest file
  file=$(mktemp -p "$1")
  jq -nc --argjson config "$3" --argjson layers "$4" --arg architecture "$2" --arg created "$created" \
    '{created: $created, architecture: $architecture, os: "linux"} + $config
      + {rootfs: {type: "layers", diff_ids: [$layers[].diff_id]}}' >"$file"
  config=$(add_blob "$1" "$file" application/vnd.oci.image.config.v1+json)
  file=$(mktemp -p "$1")
  jq -nc --argjson config "$config" --argjson layers "$4" \
    '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config: $config, layers: [$layers[].layer]}' >"$file"
  manifest=$(add_blob "$1" "$file" application/vnd.oci.image.manifest.v1+json)
  jq -nc --argjson manifest "$manifest" --arg architecture "$2" '$manifest + {platform: {architecture: $architecture, os: "linux"}}'
}

# write_archive LAYOUT NAME ARCHIVE MANIFESTS: an index over the manifests (an array of descriptors) as an OCI archive; prints its digest.
# NAME is how containerd's import calls it (`ctr -n k8s.io images import`), for example docker.io/kuik/webhook:0.1.0.
write_archive() {
  local file index
  file=$(mktemp -p "$1")
  jq -nc --argjson manifests "$4" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: $manifests}' >"$file"
  index=$(add_blob "$1" "$file" application/vnd.oci.image.index.v1+json)
  # No "platform" here, not even an empty one: containerd 1.6 would import nothing.
  jq -nc --argjson index "$index" --arg name "$2" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [
    $index + {annotations: {"io.containerd.image.name": $name,
      "org.opencontainers.image.ref.name": ($name | split(":")[-1])}}]}' >"$1/index.json"
  echo '{"imageLayoutVersion":"1.0.0"}' >"$1/oci-layout"
  chmod -R u=rwX,go=rX "$1"
  tar -C "$1" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf "$3.new" blobs index.json oci-layout
  mv "$3.new" "$3"
  jq -r .digest <<<"$index"
}
