/**
 * The descriptor of an OVA: the machine that an image wants, in XML.
 * Sources: DMTF DSP0243 (OVF 1.1) and its schema DSP8023, of which the elements of `Item` come in alphabetical order; for the
 * devices OSv's scripts/gen-vbox-ova.sh and gen-vmx.sh, and the names that VirtualBox (ApplianceImplImport.cpp) and VMware
 * have for them.
 */

/** Who imports it: no network card of OSv's is known to both. */
export type OvaFlavour = "virtualbox" | "vmware";

export interface OvfMachine {
  /** Of the machine: ASCII letters, digits, '.', '_' and '-'. */
  readonly name: string;
  readonly flavour: OvaFlavour;
  /** Of the disk as the guest sees it, in bytes. */
  readonly capacity: number;
  /** Of the disk's file. */
  readonly file: { readonly name: string; readonly size: number };
  /** In MiB. */
  readonly memory: number;
  readonly cpus: number;
}

export function formatOvf({ name, flavour, capacity, file, memory, cpus }: OvfMachine): string {
  const { system, network, controller, card } = DEVICES[flavour];
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<Envelope ovf:version="1.0" xml:lang="en-US" xmlns="${ENVELOPE}" xmlns:ovf="${ENVELOPE}" xmlns:rasd="${CIM}/CIM_ResourceAllocationSettingData" xmlns:vssd="${CIM}/CIM_VirtualSystemSettingData">`,
    "  <References>",
    `    <File ovf:href="${escapeXml(file.name)}" ovf:id="file1" ovf:size="${file.size}"/>`,
    "  </References>",
    "  <DiskSection>",
    "    <Info>The disks of the machine</Info>",
    `    <Disk ovf:capacity="${capacity}" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="${STREAM_VMDK}"/>`,
    "  </DiskSection>",
    "  <NetworkSection>",
    "    <Info>The networks of the machine</Info>",
    `    <Network ovf:name="${network}">`,
    `      <Description>${network}</Description>`,
    "    </Network>",
    "  </NetworkSection>",
    `  <VirtualSystem ovf:id="${escapeXml(name)}">`,
    "    <Info>An application on the OSv unikernel</Info>",
    `    <Name>${escapeXml(name)}</Name>`,
    `    <OperatingSystemSection ovf:id="${LINUX_64}">`,
    "      <Info>The kind of the guest</Info>",
    "      <Description>Linux26_64</Description>",
    "    </OperatingSystemSection>",
    "    <VirtualHardwareSection>",
    "      <Info>The devices of the machine</Info>",
    "      <System>",
    "        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>",
    "        <vssd:InstanceID>0</vssd:InstanceID>",
    `        <vssd:VirtualSystemIdentifier>${escapeXml(name)}</vssd:VirtualSystemIdentifier>`,
    `        <vssd:VirtualSystemType>${system}</vssd:VirtualSystemType>`,
    "      </System>",
    ...item({
      AllocationUnits: "hertz * 10^6",
      Description: "Number of virtual CPUs",
      ElementName: `${cpus} virtual CPUs`,
      InstanceID: 1,
      ResourceType: RESOURCE.processor,
      VirtualQuantity: cpus,
    }),
    ...item({
      AllocationUnits: "byte * 2^20",
      Description: "Memory Size",
      ElementName: `${memory} MB of memory`,
      InstanceID: 2,
      ResourceType: RESOURCE.memory,
      VirtualQuantity: memory,
    }),
    ...item({
      Address: 0,
      Description: controller.title,
      ElementName: controller.title,
      InstanceID: 3,
      ResourceSubType: controller.type,
      ResourceType: controller.resource,
    }),
    ...item({
      AddressOnParent: 0,
      Description: "Disk",
      ElementName: "Disk 1",
      HostResource: "ovf:/disk/vmdisk1",
      InstanceID: 4,
      Parent: 3,
      ResourceType: RESOURCE.disk,
    }),
    ...item({
      AddressOnParent: 7,
      AutomaticAllocation: "true",
      Connection: network,
      Description: "Network card",
      ElementName: "Ethernet 1",
      InstanceID: 5,
      ResourceSubType: card,
      ResourceType: RESOURCE.ethernet,
    }),
    "    </VirtualHardwareSection>",
    "  </VirtualSystem>",
    "</Envelope>",
    "",
  ];
  return lines.join("\n");
}

const ENVELOPE = "http://schemas.dmtf.org/ovf/envelope/1";
const CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2";
const STREAM_VMDK = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";
/** CIM_OperatingSystem.OsType: "Linux 64-Bit". VirtualBox gives such guests the clock of KVM, which OSv reads. */
const LINUX_64 = 101;

/** CIM_ResourceAllocationSettingData.ResourceType. */
const RESOURCE = { processor: 3, memory: 4, scsi: 6, ethernet: 10, disk: 17, otherStorage: 20 } as const;

/** What of each hypervisor OSv has drivers for: ahci.cc and virtio-net.cc, vmw-pvscsi.cc and vmxnet3.cc. */
const DEVICES = {
  virtualbox: {
    system: "virtualbox-2.2",
    network: "NAT",
    controller: { title: "SATA Controller", type: "AHCI", resource: RESOURCE.otherStorage },
    card: "virtio-net",
  },
  vmware: {
    system: "vmx-10",
    network: "VM Network",
    controller: { title: "SCSI Controller", type: "VirtualSCSI", resource: RESOURCE.scsi },
    card: "VmxNet3",
  },
} as const;

function item(fields: Readonly<Record<string, string | number>>): readonly string[] {
  const lines = Object.entries(fields).map(
    ([name, value]) => `        <rasd:${name}>${escapeXml(String(value))}</rasd:${name}>`,
  );
  return ["      <Item>", ...lines, "      </Item>"];
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? "");
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
