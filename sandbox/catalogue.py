"""The products that the sandbox sells: fixed, so that a shop can be filled with them beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the merchant. `price`: euros for one, tax included."""

    sku: str
    title: str
    price: Decimal
    category: str
    marketplace_product_id: str


def catalogue() -> tuple[Product, ...]:
    """Every product that is sold unless `sell` is given a list of SKUs."""
    return _CATALOGUE


def products(skus: Sequence[str] | None) -> tuple[Product, ...]:
    """The products of these SKUs; one that the catalogue lacks is made up, always in the same way."""
    if skus is None:
        return _CATALOGUE
    known = {product.sku: product for product in _CATALOGUE}
    return tuple(known.get(sku) or _product(sku, f"Article {sku}", _made_up_price(sku), "Divers") for sku in skus)


def _product(sku: str, title: str, price: str, category: str) -> Product:
    return Product(sku, title, Decimal(price), category, f"ME{crc32(sku.encode()) % 10_000_000:07d}")


def _made_up_price(sku: str) -> str:
    return f"{5 + crc32(sku.encode()) % 200}.90"


_CATALOGUE = tuple(
    _product(*row)
    for row in (
        ("DRILL-18V", "Perceuse-visseuse sans fil 18 V, 2 batteries", "89.90", "Outillage > Perceuses"),
        ("SCREW-BOX-200", "Boîte de 200 vis à bois 4 × 40", "15.95", "Quincaillerie > Vis"),
        ("HAMMER-1", "Marteau de menuisier, manche en frêne", "45.00", "Outillage > Marteaux"),
        ("SAW-JIG-650", "Scie sauteuse 650 W", "64.50", "Outillage > Scies"),
        ("SAW-HAND-55", "Scie égoïne 55 cm", "18.20", "Outillage > Scies"),
        ("LEVEL-60", "Niveau à bulle 60 cm", "12.49", "Outillage > Mesure"),
        ("LASER-LINE", "Niveau laser croix, faisceau vert", "119.00", "Outillage > Mesure"),
        ("TAPE-5M", "Mètre ruban 5 m", "7.90", "Outillage > Mesure"),
        ("PLIERS-SET-4", "Jeu de 4 pinces isolées", "38.75", "Outillage > Pinces"),
        ("WRENCH-SET-12", "Coffret de 12 clés mixtes", "54.30", "Outillage > Clés"),
        ("GRINDER-125", "Meuleuse d'angle Ø 125 mm", "72.99", "Outillage > Meuleuses"),
        ("SANDER-ORB", "Ponceuse excentrique 300 W", "58.40", "Outillage > Ponceuses"),
        ("PAINT-WHITE-10", "Peinture mur & plafond, blanc mat, 10 L", "49.95", "Peinture > Murs"),
        ("PAINT-BLUE-2", "Peinture « bleu d'été », satinée, 2,5 L", "32.60", "Peinture > Murs"),
        ("ROLLER-KIT", "Kit rouleau anti-gouttes", "11.30", "Peinture > Outils"),
        ("BRUSH-SET-5", "Lot de 5 pinceaux", "9.99", "Peinture > Outils"),
        ("LAMP-GARDEN-3", "Lot de 3 bornes solaires de jardin", "41.00", "Luminaire > Extérieur"),
        ("BULB-E27-6", "Lot de 6 ampoules LED E27", "16.80", "Luminaire > Ampoules"),
        ("CEILING-LED", "Plafonnier LED Ø 38 cm", "34.90", "Luminaire > Intérieur"),
        ("TAP-KITCHEN", "Mitigeur d'évier à douchette", "99.00", "Plomberie > Robinets"),
        ("TAP-BASIN", "Mitigeur de lavabo", "46.70", "Plomberie > Robinets"),
        ("SHOWER-SET", "Colonne de douche thermostatique", "179.00", "Salle de bain > Douches"),
        ("WC-PACK", "Pack WC à poser, sortie horizontale", "149.90", "Salle de bain > WC"),
        ("PIPE-PE-25", "Tuyau PE Ø 25, couronne de 25 m", "29.45", "Plomberie > Tuyaux"),
        ("HOSE-20M", "Tuyau d'arrosage 20 m", "27.90", "Jardin > Arrosage"),
        ("MOWER-36V", "Tondeuse à batterie 36 V", "329.00", "Jardin > Tondeuses"),
        ("HEDGE-600", "Taille-haie électrique 600 W", "84.99", "Jardin > Taille-haies"),
        ("PARASOL-3M", "Parasol déporté 3 × 3 m, écru", "139.00", "Jardin > Mobilier"),
        ("CHAIR-FOLD-2", "Lot de 2 chaises pliantes en acacia", "76.50", "Jardin > Mobilier"),
        ("SHED-METAL-4", "Abri de jardin métal 4 m²", "459.00", "Jardin > Abris"),
        ("LOCK-3PT", "Serrure 3 points à encastrer", "66.20", "Quincaillerie > Serrures"),
        ("HINGE-10", "Lot de 10 charnières invisibles", "19.90", "Quincaillerie > Charnières"),
        ("SHELF-5", "Étagère métallique 5 niveaux", "52.00", "Rangement > Étagères"),
        ("BOX-STACK-6", "Lot de 6 bacs empilables", "23.40", "Rangement > Bacs"),
        ("HEATER-1500", "Radiateur à inertie 1 500 W", "198.00", "Chauffage > Radiateurs"),
        ("STOVE-PIPE", "Conduit de poêle émaillé Ø 150", "35.10", "Chauffage > Conduits"),
        ("CABLE-3G15", "Câble R2V 3G1,5, 50 m", "43.80", "Électricité > Câbles"),
        ("SWITCH-10", "Lot de 10 interrupteurs va-et-vient", "37.25", "Électricité > Appareillage"),
        ("GLOVES-10", "Gants de manutention, taille 10", "4.95", "Protection > Gants"),
        ("GOGGLES-1", "Lunettes de protection", "6.40", "Protection > Lunettes"),
    )
)
