// A CSI driver for tests: `csi_driver NAME DIRECTORY NODE`. Its volumes and snapshots are directories of one node, and
// clones are copies of them, with shared blocks where the file system has them. It does not limit the size of a volume.
package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	registration.UnimplementedRegistrationServer
	name, directory, node, socket string
	// The IDs of volumes and snapshots that a call is making or deleting
	busy *sync.Map
}

func (d driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: d.name, VendorVersion: "1"}, nil
}

func (driver) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	controller := &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_CONTROLLER_SERVICE}
	return &csi.GetPluginCapabilitiesResponse{Capabilities: []*csi.PluginCapability{{Type: &csi.PluginCapability_Service_{Service: controller}}}}, nil
}

func (driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

func (driver) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	response := &csi.ControllerGetCapabilitiesResponse{}
	for _, kind := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
	} {
		capability := &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: kind}}
		response.Capabilities = append(response.Capabilities, &csi.ControllerServiceCapability{Type: capability})
	}
	return response, nil
}

func (d driver) CreateVolume(_ context.Context, request *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	source := request.GetVolumeContentSource()
	// One of them, or none
	from := source.GetVolume().GetVolumeId() + source.GetSnapshot().GetSnapshotId()
	size := request.GetCapacityRange().GetRequiredBytes()
	volume := &csi.Volume{VolumeId: request.Name, ContentSource: source, CapacityBytes: size}
	return &csi.CreateVolumeResponse{Volume: volume}, d.makeDirectory(request.Name, from)
}

func (d driver) DeleteVolume(_ context.Context, request *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	return &csi.DeleteVolumeResponse{}, d.removeDirectory(request.VolumeId)
}

func (d driver) CreateSnapshot(_ context.Context, request *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	snapshot := &csi.Snapshot{SnapshotId: request.Name, SourceVolumeId: request.SourceVolumeId, CreationTime: timestamppb.Now(), ReadyToUse: true}
	return &csi.CreateSnapshotResponse{Snapshot: snapshot}, d.makeDirectory(request.Name, request.SourceVolumeId)
}

func (d driver) DeleteSnapshot(_ context.Context, request *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	return &csi.DeleteSnapshotResponse{}, d.removeDirectory(request.SnapshotId)
}

// makeDirectory makes a directory, as a copy of another one unless from is empty. A copy that was not finished is begun again.
func (d driver) makeDirectory(id, from string) error {
	if _, isBusy := d.busy.LoadOrStore(id, true); isBusy {
		return status.Error(codes.Aborted, id+" is being made or deleted")
	}
	defer d.busy.Delete(id)
	path := filepath.Join(d.directory, id)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	unfinished := path + ".unfinished"
	if err := errors.Join(os.RemoveAll(unfinished), os.MkdirAll(unfinished, 0o755)); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if from != "" {
		copied := exec.Command("cp", "--archive", "--reflink=auto", filepath.Join(d.directory, from)+"/.", unfinished)
		if output, err := copied.CombinedOutput(); err != nil {
			return status.Error(codes.Internal, string(output))
		}
	}
	return internal(os.Rename(unfinished, path))
}

func (d driver) removeDirectory(id string) error {
	if _, isBusy := d.busy.LoadOrStore(id, true); isBusy {
		return status.Error(codes.Aborted, id+" is being made or deleted")
	}
	defer d.busy.Delete(id)
	return internal(os.RemoveAll(filepath.Join(d.directory, id)))
}

func (driver) ValidateVolumeCapabilities(_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	confirmed := &csi.ValidateVolumeCapabilitiesResponse_Confirmed{VolumeCapabilities: request.VolumeCapabilities}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: confirmed}, nil
}

func (d driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node}, nil
}

func (driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

func (d driver) NodePublishVolume(_ context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), " "+request.TargetPath+" ") {
		return &csi.NodePublishVolumeResponse{}, internal(err)
	}
	if err := os.MkdirAll(request.TargetPath, 0o755); err != nil {
		return nil, internal(err)
	}
	volume := filepath.Join(d.directory, request.VolumeId)
	return &csi.NodePublishVolumeResponse{}, internal(unix.Mount(volume, request.TargetPath, "", unix.MS_BIND, ""))
}

func (driver) NodeUnpublishVolume(_ context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	err := unix.Unmount(request.TargetPath, 0)
	// EINVAL: an earlier call has unmounted it.
	if err == nil || errors.Is(err, unix.EINVAL) {
		err = os.Remove(request.TargetPath)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return &csi.NodeUnpublishVolumeResponse{}, internal(err)
}

func (d driver) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{Type: registration.CSIPlugin, Name: d.name, Endpoint: d.socket, SupportedVersions: []string{"1.0.0"}}, nil
}

func (driver) NotifyRegistrationStatus(_ context.Context, answer *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	println("registered:", answer.PluginRegistered, answer.Error)
	return &registration.RegistrationStatusResponse{}, nil
}

func internal(err error) error {
	if err == nil {
		return nil
	}
	return status.Error(codes.Internal, err.Error())
}

func listen(path string) net.Listener {
	must(os.MkdirAll(filepath.Dir(path), 0o755))
	listener, err := net.Listen("unix", path)
	must(err)
	return listener
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	name := os.Args[1]
	d := driver{name: name, directory: os.Args[2], node: os.Args[3], socket: "/var/lib/kubelet/plugins/" + name + "/csi.sock", busy: &sync.Map{}}
	plugin, registrar := grpc.NewServer(), grpc.NewServer()
	csi.RegisterIdentityServer(plugin, d)
	csi.RegisterControllerServer(plugin, d)
	csi.RegisterNodeServer(plugin, d)
	registration.RegisterRegistrationServer(registrar, d)
	go func() { must(plugin.Serve(listen(d.socket))) }()
	must(registrar.Serve(listen("/var/lib/kubelet/plugins_registry/" + name + "-reg.sock")))
}
